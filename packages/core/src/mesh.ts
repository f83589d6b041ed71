// A device mesh: named axes, each with a size; a rank is a point in it. Row-major, as in PyTorch's DeviceMesh:
// the last axis named varies fastest. Pure arithmetic; knows no strategy and no transport.

/** Axis name to size, outermost first, e.g. `{ pp: 2, dp: 2, tp: 2 }`. An axis not named has size 1. */
export type Mesh = Readonly<Record<string, number>>;
/** Axis name to this rank's position on it, each in `0 .. size - 1`. */
export type Coords = Readonly<Record<string, number>>;

/** Number of ranks. */
export const meshSize = (mesh: Mesh): number => Object.values(mesh).reduce((n, size) => n * size, 1);

/** Size of one axis; 1 where the mesh does not name it. */
export const axisSize = (mesh: Mesh, axis: string): number => mesh[axis] ?? 1;

/** Where `rank` stands on each axis. */
export function coordsOf(mesh: Mesh, rank: number): Coords {
  const coords: Record<string, number> = {};
  let stride = meshSize(mesh);
  for (const [axis, size] of Object.entries(mesh)) {
    stride /= size;
    coords[axis] = Math.floor(rank / stride) % size;
  }
  return coords;
}

/** The rank that stands at `coords`; an axis left out counts as 0. Inverse of `coordsOf`. */
export const rankOf = (mesh: Mesh, coords: Coords): number =>
  Object.entries(mesh).reduce((rank, [axis, size]) => rank * size + (coords[axis] ?? 0), 0);

/** The ranks that differ from `rank` on `axis` alone, in the order of that axis. `rank` itself is one of them. */
export function ranksAlong(mesh: Mesh, rank: number, axis: string): number[] {
  const coords = coordsOf(mesh, rank);
  return Array.from({ length: axisSize(mesh, axis) }, (_, at) => rankOf(mesh, { ...coords, [axis]: at }));
}

/** `pp 0, dp 1, tp 1`: for messages. */
export const showCoords = (coords: Coords): string =>
  Object.entries(coords)
    .map(([axis, at]) => `${axis} ${at}`)
    .join(", ");
