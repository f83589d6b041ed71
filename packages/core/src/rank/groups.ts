// The groups of one rank: one a mesh axis, the transport's own where it has one, its bytes in the form that the axis's wire
// gives them.
import { directGroup } from "../group/direct.ts";
import type { Group } from "../group/group.ts";
import { inOrder } from "../group/in-order.ts";
import { ranksAlong } from "../mesh.ts";
import type { Plan } from "../plan/plan.ts";
import type { Strategy } from "../plan/strategy.ts";
import type { Endpoint } from "../transports/endpoint.ts";

/** Finds the group of an axis, always the same object; an axis that the mesh does not name has this rank alone. */
export type Groups = (axis: string) => Group;

/** Opens the groups of all axes, in the order of the mesh. */
export async function openGroups({ mesh }: Plan, strategies: readonly Strategy[], endpoint: Endpoint): Promise<Groups> {
  const groups = new Map<string, Group>();
  for (const axis of Object.keys(mesh)) {
    const group = await openGroup(axis, ranksAlong(mesh, endpoint.rank, axis), endpoint);
    const wire = strategies.find((s) => s.axis === axis && s.wire)?.wire;
    groups.set(axis, wire && group.size > 1 ? wire.wrap(group) : group);
  }
  const alone = (axis: string): Group => {
    const group = directGroup(axis, endpoint, [endpoint.rank]);
    groups.set(axis, group);
    return group;
  };
  return (axis) => groups.get(axis) ?? alone(axis);
}

async function openGroup(axis: string, ranks: readonly number[], endpoint: Endpoint): Promise<Group> {
  const host = directGroup(axis, endpoint, ranks);
  if (!endpoint.group || ranks.length === 1) return host;
  const own = await endpoint.group(axis, ranks, host);
  return own === host ? host : inOrder(own);
}
