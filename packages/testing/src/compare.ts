// Two observed runs of the same training, side by side: how far apart, and what must be equal. Pure arithmetic.
import { axisSize, type Coords, type HeldBytes, type Mesh, type Plan, pieceOf } from "@orthant/core";
import { eachKept } from "@orthant/core/internal";
import type { Observed, Pieces } from "./observe.ts";

/** Worst errors, relative; `at` names the tensor of the worst one. */
export interface Errors {
  readonly loss: number;
  /** Undefined where the ranks run in other threads. */
  readonly gradient: number | undefined;
  readonly parameter: number;
  readonly at: string;
}

interface Worst {
  readonly error: number;
  readonly at: string;
}

/** Largest relative difference of two loss curves; Infinity where they differ in length or are no numbers. */
export function lossError(found: readonly number[], expected: readonly number[]): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  const errors = found.map((loss, step) => Math.abs(loss - expected[step]!) / Math.abs(expected[step]!));
  return worstOf(errors.map((error) => ({ error, at: "" }))).error;
}

/** `|found - expected| / |expected|` of each tensor, in Euclidean norm, over every rank's copy; `wholes` are one a rank. */
function tensorErrors({ ranks, mesh }: Plan, pieces: readonly Pieces[], wholes: readonly Pieces[]): Worst[] {
  const sums = new Map([...wholes[0]!.keys()].map((name) => [name, { off: 0, size: 0 }]));
  for (const { rank, coords, params } of ranks)
    for (const spec of params) {
      const mine = pieces[rank]!.get(spec.name)!;
      const all = wholes[rank]!.get(spec.name)!;
      const sum = sums.get(spec.name)!;
      eachKept(pieceOf(spec), mesh, coords, (i, g) => {
        sum.off += ((mine[i] ?? 0) - (all[g] ?? 0)) ** 2; // frozen parameters have no gradient
        sum.size += (all[g] ?? 0) ** 2;
      });
    }
  return [...sums].map(([at, { off, size }]) => ({ at, error: off === 0 ? 0 : Math.sqrt(off / size) }));
}

const worstOf = (list: readonly Worst[]): Worst =>
  list.reduce((a, b) => (b.error > a.error || Number.isNaN(b.error) ? { ...b, error: b.error || Infinity } : a), {
    error: 0,
    at: "",
  });

/** Number of the island that a rank belongs to: 0 where all share one loss. */
const islandOf = ({ roles, mesh }: Plan, coords: Coords): number =>
  Object.keys(roles.independent).reduce((at, axis) => at * axisSize(mesh, axis) + (coords[axis] ?? 0), 0);

/** The rank of `expected` that each rank of `found` is compared with: the first of its island. */
const counterparts = (found: Plan, expected: Plan): number[] =>
  found.ranks.map(({ coords }) =>
    expected.ranks.findIndex((rank) => islandOf(expected, rank.coords) === islandOf(found, coords)),
  );

/** Compares all ranks with a run of whole parameters: one device, or one rank an island. */
export function errorsBetween(found: Observed, expected: Observed): Errors {
  const ranks = counterparts(found.plan, expected.plan);
  const wholes = (pieces: readonly Pieces[]) => ranks.map((rank) => pieces[rank]!);
  const steps = found.gradients.map((pieces, step) =>
    worstOf(
      tensorErrors(found.plan, pieces, wholes(expected.gradients[step]!)).map((w) => ({
        ...w,
        at: `gradient of ${w.at}, step ${step}`,
      })),
    ),
  );
  const gradient = worstOf(steps);
  const parameter = worstOf(tensorErrors(found.plan, found.parameters, wholes(expected.parameters)));
  const { at } = worstOf([gradient, parameter]);
  const losses = ranks.map((rank, i) => lossError(found.outcomes[i]!.losses, expected.outcomes[rank]!.losses));
  const loss = Math.max(...losses);
  return { loss, gradient: steps.length ? gradient.error : undefined, parameter: parameter.error, at };
}

/** Bytes that ranks held otherwise than planned, in words. */
export const heldFailures = ({ plan, outcomes }: Observed): string[] =>
  plan.ranks.flatMap(({ rank, bytes }) =>
    (Object.keys(bytes) as (keyof HeldBytes)[])
      .filter((kind) => outcomes[rank]!.peak[kind] !== bytes[kind])
      .map((kind) => `rank ${rank} held ${outcomes[rank]!.peak[kind]} bytes of ${kind}; planned were ${bytes[kind]}`),
  );

/** What is wrong with the bytes and tensors of one run, in words; nothing where all is well. */
export const accountingFailures = ({ plan, losses, sent, tensors, leaked }: Observed): string[] => [
  ...Object.keys(plan.mesh).flatMap((axis) =>
    byteFailures(plan.mesh, axis, sent[axis] ?? 0, plan.sent[axis] ?? 0, losses.length),
  ),
  ...(leaked === 0 ? [] : [`${leaked} tensors were left behind`]),
  ...(new Set(tensors.slice(1)).size < 2
    ? []
    : [`the tensors at the end of each step are not constant: ${tensors.join(" ")}`]),
];

function byteFailures(mesh: Mesh, axis: string, sent: number, perStep: number, steps: number): string[] {
  const off =
    sent === perStep * steps
      ? []
      : [`${axis} sent ${sent} bytes in ${steps} steps; cost() says ${perStep} x ${steps} = ${perStep * steps}`];
  const idle = axisSize(mesh, axis) > 1 && sent === 0 ? [`${axis} ${axisSize(mesh, axis)} sent nothing`] : [];
  return [...off, ...idle];
}
