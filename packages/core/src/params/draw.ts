// Random numbers of a layer: by seed, step, sample, name and place in the sample, never by who draws them. So a mask is the
// same on every mesh, and the same again when it is drawn anew.
import { axisSize, type Coords, type Mesh } from "../mesh.ts";
import { elements, type Shape } from "../model/segment.ts";
import { fillUniform, randomKey } from "./random.ts";

export interface Draw {
  readonly seed: number;
  readonly name: string;
  /** Number of the first sample, counted from the start of training: it tells the step too. */
  readonly first: number;
  readonly samples: number;
  /** Shape of the local tensor; dim 0 counts samples, or samples times something. */
  readonly shape: Shape;
  /** Axis to the dim of `shape` that its members hold a part of. */
  readonly cuts: Readonly<Record<string, number>>;
  readonly mesh: Mesh;
  readonly coords: Coords;
}

/** Where a tensor's elements stand in a row of counters: element `(i, j ..)` has the number of counter `from + i s + j t ..`. */
export interface Counted {
  readonly key: readonly [number, number];
  readonly from: number;
  readonly shape: Shape;
  /** Counters from one element to the next along each dim. */
  readonly strides: readonly number[];
}

/** Row-major strides, in elements. */
const rowMajor = (shape: Shape): number[] => shape.map((_, d) => elements(shape.slice(d + 1)));

/** The counters of a draw's numbers. Throws where dim 0 holds no whole samples. */
export function counted({ seed, name, first, samples, shape, cuts, mesh, coords }: Draw): Counted {
  const rows = shape[0] ?? 1;
  if (rows % samples !== 0)
    throw new Error(
      `random("${name}"): dim 0 of [${shape.join(", ")}] must hold whole samples, and a micro has ${samples}`,
    );
  const real = Object.entries(cuts).filter(([axis]) => axisSize(mesh, axis) > 1);
  const whole = shape.map((size, d) =>
    real.reduce((n, [axis, dim]) => (dim === d ? n * axisSize(mesh, axis) : n), size),
  );
  const start = shape.map(
    (size, d) =>
      real.reduce((at, [axis, dim]) => (dim === d ? at * axisSize(mesh, axis) + (coords[axis] ?? 0) : at), 0) * size,
  );
  const strides = rowMajor(whole);
  const from = start.reduce((at, n, d) => at + n * strides[d]!, first * (elements(whole) / samples));
  return { key: randomKey(seed, `random ${name}`), from, shape, strides };
}

/** Uniform numbers in [0, 1) of counters, row-major. */
export function drawn({ key, from, shape, strides }: Counted): Float32Array {
  const values = new Float32Array(elements(shape));
  const own = rowMajor(shape);
  const inner = strides.findLastIndex((stride, d) => stride !== own[d]) + 1; // dims from here on are one run of counters
  const run = elements(shape.slice(inner));
  for (let at = 0; at < values.length; at += run) {
    const place = strides.slice(0, inner).reduce((sum, stride, d) => {
      return sum + (Math.floor(at / own[d]!) % shape[d]!) * stride;
    }, from);
    fillUniform(key, place, values.subarray(at, at + run));
  }
  return values;
}

/** Uniform numbers in [0, 1) for every element of the local tensor, row-major. Throws where dim 0 holds no whole samples. */
export const drawUniform = (draw: Draw): Float32Array => drawn(counted(draw));
