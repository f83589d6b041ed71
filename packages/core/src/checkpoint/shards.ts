// Who writes what: every element of every parameter once, by a rank that has it. Pure, the same on every rank.
import { type ParamSpec, pieceOf } from "../params/params.ts";
import type { Plan } from "../plan/plan.ts";
import type { RankPlan } from "../plan/ranks.ts";
import { type Extent, extentOf } from "./extent.ts";

/** What one shard has of a parameter. */
export interface Part {
  readonly spec: ParamSpec;
  readonly extent: Extent;
  /** Tensors of optimizer state beside the value. */
  readonly slots: number;
}

/** What one rank writes. Shards are numbered in the order of their ranks, from 0. */
export interface Shard {
  readonly rank: number;
  readonly parts: readonly Part[];
}

/** Elements of a part, those of its slots too. */
const sizeOf = ({ extent: { from, to }, slots }: Part): number => (to - from) * (1 + slots);

/** The ranks that have the same piece of a parameter, a list for each piece. */
function copiesOf(spec: ParamSpec, { ranks }: Pick<Plan, "ranks">): readonly RankPlan[][] {
  const cuts = Object.keys(pieceOf(spec).split);
  const holders = ranks.filter(({ params }) => params.includes(spec));
  return [...Map.groupBy(holders, ({ coords }) => cuts.map((axis) => coords[axis] ?? 0).join()).values()];
}

/** Deals the pieces to ranks that have them: of several, to the one that writes least so far. Ranks that write nothing are left out. */
export function shardsOf(plan: Pick<Plan, "specs" | "ranks" | "mesh">, slots: number): Shard[] {
  const parts = new Map(plan.ranks.map(({ rank }) => [rank, [] as Part[]]));
  const sizes = plan.ranks.map(() => 0);
  for (const spec of plan.specs)
    for (const copies of copiesOf(spec, plan)) {
      const { rank, coords } = copies.reduce((a, b) => (sizes[b.rank]! < sizes[a.rank]! ? b : a));
      const extent = extentOf(pieceOf(spec), plan.mesh, coords);
      if (extent.from === extent.to) continue; // an empty chunk: others have the elements
      const part = { spec, extent, slots: spec.frozen ? 0 : slots };
      parts.get(rank)!.push(part);
      sizes[rank]! += sizeOf(part);
    }
  return [...parts].filter(([, list]) => list.length).map(([rank, list]) => ({ rank, parts: list }));
}

export type ShardKind = "model" | "optimizer";

/** Name of a shard's file: `model-00001-of-00004.safetensors`. */
export const shardFile = (kind: ShardKind, shard: number, shards: number): string =>
  `${kind}-${String(shard + 1).padStart(5, "0")}-of-${String(shards).padStart(5, "0")}.safetensors`;

/** Name of optimizer state in a shard's file. */
export const slotName = (name: string, slot: number): string => `${name}.slot.${slot}`;
