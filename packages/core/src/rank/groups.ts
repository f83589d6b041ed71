// The groups of one rank: a group a mesh axis, its bytes in the form that the axis's wire gives them.
import { directGroup } from "../group/direct.ts";
import type { Group } from "../group/group.ts";
import { ranksAlong } from "../mesh.ts";
import type { Plan } from "../plan/plan.ts";
import type { Strategy } from "../plan/strategy.ts";
import type { Endpoint } from "../transports/endpoint.ts";

/** Finds the group of an axis; always the same object for the same axis. */
export function groupsOf({ mesh }: Plan, strategies: readonly Strategy[], endpoint: Endpoint): (axis: string) => Group {
  const groups = new Map<string, Group>();
  const open = (axis: string): Group => {
    const plain = directGroup(axis, endpoint, ranksAlong(mesh, endpoint.rank, axis));
    const wire = strategies.find((s) => s.axis === axis && s.wire)?.wire;
    return wire && plain.size > 1 ? wire.wrap(plain) : plain;
  };
  return (axis) => {
    const group = groups.get(axis) ?? open(axis);
    groups.set(axis, group);
    return group;
  };
}
