// Parameters as data: what each is called, its shape, where its pieces live, and its first values. No tensors.
import { axisSize, type Coords, type Mesh } from "../mesh.ts";
import { elements, type Shape } from "../model/segment.ts";
import { normal, randomKey } from "./random.ts";

export type Init =
  | { readonly kind: "normal"; readonly std: number }
  | { readonly kind: "constant"; readonly value: number }
  /** The whole parameter, row-major; `sum` tells its values from others, for ranks that each make their own. */
  | { readonly kind: "values"; readonly values: () => Float32Array; readonly sum: string };

/** One place of the model that declares a parameter. */
export interface Use {
  /** Layer name, then the parameter's own: `3.attn.query`. */
  readonly name: string;
  /** Index into the model's layers. */
  readonly layer: number;
}

/** One parameter, over all ranks. Tied parameters are one, which several layers use. */
export interface ParamSpec {
  /** The name of its first use. Unique in the model. */
  readonly name: string;
  /** Shape of the whole parameter. */
  readonly shape: Shape;
  readonly init: Init;
  /** Where it is used: once, or once for each layer that ties it, in the model's order. */
  readonly uses: readonly Use[];
  /** True where it is not trained. */
  readonly frozen?: boolean;
  /** Factor a step of a moving average, where it is one. */
  readonly average?: number;
  /**
   * Mesh axis to the dim it cuts, or "flat": an even chunk of what is left after the cuts of dims, read as a vector.
   * Several flat cuts are chunks of chunks, in the order of the axes here.
   */
  readonly split: Readonly<Record<string, number | "flat">>;
  /**
   * Axes along which only the gradient and the optimizer state are cut flat, after the cuts of `split`: the parameter itself
   * is whole on every member (ZeRO stages 1 and 2).
   */
  readonly shard?: readonly string[];
}

/** The piece of a parameter that a rank updates, as a spec: cut along the axes of `shard` too. */
export const pieceOf = (spec: ParamSpec): ParamSpec => ({
  ...spec,
  split: { ...spec.split, ...Object.fromEntries((spec.shard ?? []).map((axis) => [axis, "flat" as const])) },
});

/** Half-open range of the chunk that member `at` of `members` holds of `size` elements; the last ones may be shorter. */
export function chunk(size: number, members: number, at: number): [from: number, to: number] {
  const step = Math.ceil(size / members);
  return [Math.min(at * step, size), Math.min((at + 1) * step, size)];
}

/** Shape of the piece of one rank after the dim cuts, before the flat one: what a segment sees. */
export const localShape = (spec: ParamSpec, mesh: Mesh): number[] =>
  spec.shape.map((size, dim) => {
    const cuts = Object.entries(spec.split).filter(([, cut]) => cut === dim);
    return cuts.reduce((rest, [axis]) => rest / axisSize(mesh, axis), size);
  });

/** Range that this rank keeps of its local piece, read as a vector. */
export function keptRange(spec: ParamSpec, mesh: Mesh, coords: Coords): [from: number, to: number] {
  const flat = Object.keys(spec.split).filter((axis) => spec.split[axis] === "flat");
  return flat.reduce<[number, number]>(
    ([from, to], axis) => {
      const [first, end] = chunk(to - from, axisSize(mesh, axis), coords[axis] ?? 0);
      return [from + first, from + end];
    },
    [0, elements(localShape(spec, mesh))],
  );
}

/** Shape of what this rank has of a parameter after the cuts of dims and the flat cuts of `axes`: a vector where there are some. */
export function shapeAfter(spec: ParamSpec, mesh: Mesh, coords: Coords, axes: readonly string[]): number[] {
  const flat = Object.entries(spec.split).filter(([axis, cut]) => cut === "flat" && axes.includes(axis));
  if (flat.length === 0) return localShape(spec, mesh);
  return [keptSize({ ...spec, split: { ...dimCuts(spec), ...Object.fromEntries(flat) } }, mesh, coords)];
}

const dimCuts = ({ split }: ParamSpec) => Object.fromEntries(Object.entries(split).filter(([, cut]) => cut !== "flat"));

/** Number of elements that this rank keeps. */
export function keptSize(spec: ParamSpec, mesh: Mesh, coords: Coords): number {
  const [from, to] = keptRange(spec, mesh, coords);
  return to - from;
}

/** Where index `i` of the local piece stands in the whole parameter, row-major. */
function globalIndex(i: number, local: Shape, whole: Shape, first: Shape): number {
  let rest = i;
  let stride = 1;
  let at = 0;
  for (let dim = local.length - 1; dim >= 0; dim--) {
    const size = local[dim]!;
    at += ((rest % size) + first[dim]!) * stride;
    rest = Math.floor(rest / size);
    stride *= whole[dim]!;
  }
  return at;
}

/** First position of the local piece along each dim. */
export const localOrigin = (spec: ParamSpec, mesh: Mesh, coords: Coords): number[] => {
  const local = localShape(spec, mesh);
  return spec.shape.map((_, dim) => {
    const cuts = Object.keys(spec.split).filter((axis) => spec.split[axis] === dim);
    const place = cuts.reduce((at, axis) => at * axisSize(mesh, axis) + (coords[axis] ?? 0), 0);
    return place * local[dim]!;
  });
};

/** Calls `visit(i, g)` for each element this rank keeps: its position in the kept vector, and in the whole parameter. */
export function eachKept(spec: ParamSpec, mesh: Mesh, coords: Coords, visit: (i: number, g: number) => void): void {
  const [from, to] = keptRange(spec, mesh, coords);
  const local = localShape(spec, mesh);
  const first = localOrigin(spec, mesh, coords);
  if (local.every((size, dim) => size === spec.shape[dim])) for (let i = from; i < to; i++) visit(i - from, i);
  else for (let i = from; i < to; i++) visit(i - from, globalIndex(i, local, spec.shape, first));
}

interface Kept {
  readonly into: Float32Array;
  readonly mesh: Mesh;
  readonly coords: Coords;
}

function copyKept(spec: ParamSpec, whole: Float32Array, { into, mesh, coords }: Kept): Float32Array {
  if (whole.length !== elements(spec.shape))
    throw new Error(`${spec.name} [${spec.shape.join(", ")}] is given ${whole.length} first values`);
  eachKept(spec, mesh, coords, (i, g) => {
    into[i] = whole[g]!;
  });
  return into;
}

/** First values of what this rank keeps: keyed by (seed, name, global index), so every mesh starts from the same bits. */
export function initialValues(spec: ParamSpec, seed: number, mesh: Mesh, coords: Coords): Float32Array {
  const [from, to] = keptRange(spec, mesh, coords);
  const values = new Float32Array(to - from);
  const { init } = spec;
  if (init.kind === "constant") return values.fill(init.value);
  if (init.kind === "values") return copyKept(spec, init.values(), { into: values, mesh, coords });
  const key = randomKey(seed, spec.name);
  eachKept(spec, mesh, coords, (i, g) => {
    values[i] = normal(key, g) * init.std;
  });
  return values;
}
