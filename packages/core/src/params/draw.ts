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

/** Uniform numbers in [0, 1) for every element of the local tensor, row-major. Throws where dim 0 holds no whole samples. */
export function drawUniform({ seed, name, first, samples, shape, cuts, mesh, coords }: Draw): Float32Array {
  const rows = shape[0] ?? 1;
  if (rows % samples !== 0)
    throw new Error(
      `random("${name}"): dim 0 of [${shape.join(", ")}] must hold whole samples, and a micro has ${samples}`,
    );
  const key = randomKey(seed, `random ${name}`);
  const real = Object.entries(cuts).filter(([axis]) => axisSize(mesh, axis) > 1);
  const values = new Float32Array(elements(shape));
  const whole = shape.map((size, d) =>
    real.reduce((n, [axis, dim]) => (dim === d ? n * axisSize(mesh, axis) : n), size),
  );
  const start = shape.map(
    (size, d) =>
      real.reduce((at, [axis, dim]) => (dim === d ? at * axisSize(mesh, axis) + (coords[axis] ?? 0) : at), 0) * size,
  );
  const before = first * (elements(whole) / samples);
  const innermost = Math.max(0, ...real.map(([, dim]) => dim));
  const run = elements(shape.slice(innermost));
  for (let at = 0; at < values.length; at += run)
    fillUniform(key, before + placeOf(at, shape, whole, start), values.subarray(at, at + run));
  return values;
}

/** Where element `i` of the local tensor stands in the whole one. */
function placeOf(i: number, shape: Shape, whole: Shape, start: readonly number[]): number {
  let [rest, stride, place] = [i, 1, 0];
  for (let dim = shape.length - 1; dim >= 0; dim--) {
    place += ((rest % shape[dim]!) + start[dim]!) * stride;
    rest = Math.floor(rest / shape[dim]!);
    stride *= whole[dim]!;
  }
  return place;
}
