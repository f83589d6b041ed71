// Which rank lives on which thread of a process. Pure.
import type { RankPlan } from "../plan/plan.ts";

/**
 * Deals the ranks of `here` to at most `workers` threads, in blocks whose sizes differ by one at most: data-parallel ranks
 * apart first, as they wait for each other least, and stages next.
 */
export function dealThreads(ranks: readonly RankPlan[], here: readonly number[], workers: number): number[][] {
  const order = ranks
    .filter(({ rank }) => here.includes(rank))
    .sort(
      (a, b) => (a.coords.dp ?? 0) - (b.coords.dp ?? 0) || (a.coords.pp ?? 0) - (b.coords.pp ?? 0) || a.rank - b.rank,
    );
  const count = Math.min(workers, order.length);
  const threads: number[][] = Array.from({ length: count }, () => []);
  for (const [i, { rank }] of order.entries()) threads[Math.floor((i * count) / order.length)]!.push(rank);
  return threads;
}
