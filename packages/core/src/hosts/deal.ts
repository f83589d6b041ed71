// Which rank lives on which thread of a process. Pure.
import type { Plan } from "../plan/plan.ts";
import { positionOf, stageAxis } from "../plan/roles.ts";

/**
 * Deals the ranks of `here` to at most `workers` threads, in blocks whose sizes differ by one at most: ranks that train on
 * different samples apart first, as they wait for each other least, and stages next.
 */
export function dealThreads({ ranks, roles, mesh }: Plan, here: readonly number[], workers: number): number[][] {
  const order = ranks
    .filter(({ rank }) => here.includes(rank))
    .sort(
      (a, b) =>
        positionOf(roles.batch, mesh, a.coords).at - positionOf(roles.batch, mesh, b.coords).at ||
        stageAxis(roles, a.coords) - stageAxis(roles, b.coords) ||
        a.rank - b.rank,
    );
  const count = Math.min(workers, order.length);
  const threads: number[][] = Array.from({ length: count }, () => []);
  for (const [i, { rank }] of order.entries()) threads[Math.floor((i * count) / order.length)]!.push(rank);
  return threads;
}
