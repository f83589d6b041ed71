// Parameters as data: what each is called, its shape, where its pieces live, and its first values. No tensors.
import { axisSize, type Coords, type Mesh } from "../mesh.ts";
import { elements, type Shape } from "../model/segment.ts";
import { normal, randomKey } from "./random.ts";

export type Init =
  | { readonly kind: "normal"; readonly std: number }
  | { readonly kind: "constant"; readonly value: number };

export interface ParamSpec {
  /** Layer name, then the parameter's own: `3.attn.query`. Unique in the model. */
  readonly name: string;
  /** Of the whole parameter, over all ranks. */
  readonly shape: Shape;
  /** Index into the model's layers. */
  readonly layer: number;
  readonly init: Init;
  /** Mesh axis to the dim it cuts, or "flat": an even chunk of what is left after the other cuts, read as a vector. */
  readonly split: Readonly<Record<string, number | "flat">>;
}

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
  const size = elements(localShape(spec, mesh));
  const axis = Object.keys(spec.split).find((name) => spec.split[name] === "flat");
  return axis ? chunk(size, axisSize(mesh, axis), coords[axis] ?? 0) : [0, size];
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
const origin = (spec: ParamSpec, mesh: Mesh, coords: Coords): number[] => {
  const local = localShape(spec, mesh);
  return spec.shape.map((_, dim) => {
    const axis = Object.keys(spec.split).find((name) => spec.split[name] === dim);
    return axis ? (coords[axis] ?? 0) * local[dim]! : 0;
  });
};

/** Calls `visit(i, g)` for each element this rank keeps: its position in the kept vector, and in the whole parameter. */
export function eachKept(spec: ParamSpec, mesh: Mesh, coords: Coords, visit: (i: number, g: number) => void): void {
  const [from, to] = keptRange(spec, mesh, coords);
  const local = localShape(spec, mesh);
  const first = origin(spec, mesh, coords);
  for (let i = from; i < to; i++) visit(i - from, globalIndex(i, local, spec.shape, first));
}

/** First values of what this rank keeps: keyed by (seed, name, global index), so every mesh starts from the same bits. */
export function initialValues(spec: ParamSpec, seed: number, mesh: Mesh, coords: Coords): Float32Array {
  const [from, to] = keptRange(spec, mesh, coords);
  const values = new Float32Array(to - from);
  const { init } = spec;
  if (init.kind === "constant") return values.fill(init.value);
  const key = randomKey(seed, spec.name);
  eachKept(spec, mesh, coords, (i, g) => {
    values[i] = normal(key, g) * init.std;
  });
  return values;
}
