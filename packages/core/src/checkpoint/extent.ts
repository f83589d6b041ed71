// Which elements of a parameter somebody has: a rank to keep, a file to store. What two of them share is copied in stretches. Pure.
import type { Coords, Mesh } from "../mesh.ts";
import { elements, type Shape } from "../model/segment.ts";
import { keptRange, localOrigin, localShape, type ParamSpec } from "../params/params.ts";

/** A box of the whole parameter, and of that box, read as a row-major vector, the elements `from` to `to`. */
export interface Extent {
  /** First position of the box along each dim, and its shape. */
  readonly start: readonly number[];
  readonly shape: Shape;
  readonly from: number;
  readonly to: number;
}

/** The elements that a rank keeps of a parameter. */
export function extentOf(spec: ParamSpec, mesh: Mesh, coords: Coords): Extent {
  const [from, to] = keptRange(spec, mesh, coords);
  return { start: localOrigin(spec, mesh, coords), shape: localShape(spec, mesh), from, to };
}

/** The whole of a parameter. */
export const wholeExtent = (shape: Shape): Extent => ({
  start: shape.map(() => 0),
  shape,
  from: 0,
  to: elements(shape),
});

/** Elements that follow each other in both of two extents; positions from the first element of each. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** What two boxes share: its first position along each dim, and its shape. */
function overlap(a: Extent, b: Extent): { start: number[]; shape: number[] } {
  const start = a.start.map((from, dim) => Math.max(from, b.start[dim]!));
  const end = a.start.map((from, dim) => Math.min(from + a.shape[dim]!, b.start[dim]! + b.shape[dim]!));
  return { start, shape: end.map((to, dim) => Math.max(0, to - start[dim]!)) };
}

/** The outermost dim from which on rows follow each other in both boxes. */
function innermost(shape: Shape, boxes: readonly Shape[]): number {
  let dim = shape.length - 1;
  while (dim > 0 && boxes.every((box) => box[dim] === shape[dim])) dim--;
  return Math.max(0, dim);
}

/** Position of a point in a box that is read as a vector. */
const positionIn = ({ start, shape }: Extent, point: readonly number[]): number =>
  shape.reduce((at, size, dim) => at * size + point[dim]! - start[dim]!, 0);

/** Lists what `stored` has of `wanted`, in the order of both: `from` counts in what is stored, `to` in what is wanted. */
export function* stretchesBetween(stored: Extent, wanted: Extent): Generator<Stretch> {
  const { start, shape } = overlap(stored, wanted);
  const rows = innermost(shape, [stored.shape, wanted.shape]);
  const length = elements(shape.slice(rows));
  const count = length && elements(shape.slice(0, rows));
  const point = [...start];
  for (let row = 0; row < count; row++) {
    const [s, w] = [positionIn(stored, point), positionIn(wanted, point)];
    const first = Math.max(0, stored.from - s, wanted.from - w);
    const end = Math.min(length, stored.to - s, wanted.to - w);
    if (first < end) yield { from: s + first - stored.from, to: w + first - wanted.from, count: end - first };
    next(point, start, shape, rows);
  }
}

/** Moves a point to the next row: the last of the dims before `rows` varies fastest. */
function next(point: number[], start: readonly number[], shape: Shape, rows: number): void {
  for (let dim = rows - 1; dim >= 0; dim--) {
    point[dim]!++;
    if (point[dim]! < start[dim]! + shape[dim]!) return;
    point[dim] = start[dim]!;
  }
}
