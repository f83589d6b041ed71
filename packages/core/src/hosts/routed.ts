// A transport for each axis: tensor-parallel ranks in one process's memory, say, data-parallel ones over NATS. A message's
// key opens with its axis, so each goes its own way; what concerns all ranks takes the way that reaches them all.
import { availableParallelism } from "node:os";
import { axisSize, ranksAlong } from "../mesh.ts";
import type { Plan } from "../plan/plan.ts";
import type { Endpoint } from "../transports/endpoint.ts";
import { type Host, ranksHere, type Wire } from "./host.ts";
import { type SpreadOptions, spread } from "./spread.ts";

/** By axis; `world` for what concerns all ranks, by default the first that spans processes, else the first. */
export type Routes = Readonly<Record<string, Host>>;

type Wires = Readonly<Record<string, Wire>>;

function wireOf(axis: string, { name, wire }: Host): Wire {
  if (wire) return wire;
  throw new Error(
    `routed({ ${axis}: ${name}() }): ${name}() has no threads to spread ranks over; use it for all axes alone`,
  );
}

function toWires(routes: Routes): Wires {
  const entries = Object.entries(routes).map(([axis, host]) => [axis, wireOf(axis, host)] as const);
  const world = entries.find(([, { ranks }]) => ranks) ?? entries[0];
  if (!world) throw new Error("routed({}) has no transport: give each axis one, such as routed({ tp: threads() })");
  const here = entries.flatMap(([axis, { ranks }]) => (ranks ? [`${axis} has [${ranks.join(", ")}]`] : []));
  if (new Set(here.map((text) => text.slice(text.indexOf("[")))).size > 1)
    throw new Error(`a process has one list of ranks, yet ${here.join(", ")}: give nats() the same ranks`);
  return { world: world[1], ...Object.fromEntries(entries) };
}

/** Each axis has a way, and a way that stays in this process finds whole groups here. */
function check(wires: Wires, plan: Plan, here: readonly number[]): void {
  for (const axis of Object.keys(wires))
    if (axis !== "world" && !(axis in plan.mesh))
      throw new Error(
        `routed() has a transport for ${axis}, an axis that the mesh lacks: drop it, or add ${axis} to the mesh`,
      );
  for (const axis of Object.keys(plan.mesh)) {
    const wire = wires[axis];
    if (!wire && axisSize(plan.mesh, axis) > 1) throw new Error(`routed() has no transport for ${axis}: add ${axis}`);
    for (const rank of wire && !wire.ranks ? here : []) {
      const group = ranksAlong(plan.mesh, rank, axis);
      if (group.some((other) => !here.includes(other)))
        throw new Error(
          `${axis} goes through ${wire?.name}(), which stays in a process, and this one has ranks ${here.join(", ")} ` +
            `but not all of the ${axis} group ${group.join(", ")}: give each process whole groups, or another transport`,
        );
    }
  }
}

/** One rank's endpoints as one. */
function joined(endpoints: Readonly<Record<string, Endpoint>>): Endpoint {
  const all = [...new Set(Object.values(endpoints))];
  const world = endpoints.world as Endpoint;
  const along = (key: string): Endpoint => endpoints[key.slice(0, key.indexOf("."))] ?? world;
  const owners = new WeakMap<ArrayBufferLike, Endpoint>();
  return {
    rank: world.rank,
    size: world.size,
    send: (to, key, frame) => along(key).send(to, key, frame),
    async recv(from, key) {
      const frame = await along(key).recv(from, key);
      owners.set(frame.data.buffer, along(key));
      return frame;
    },
    recycle: (data) => owners.get(data.buffer)?.recycle?.(data),
    close: async (failure) => void (await Promise.all(all.map((endpoint) => endpoint.close(failure)))),
  };
}

/** The ranks of this process, their messages sent as `routes` says for each axis. Throws where that cannot work. */
export function routed(
  routes: Routes,
  { workers = availableParallelism(), script }: Partial<SpreadOptions> = {},
): Host {
  const wires = toWires(routes);
  const distinct = [...new Set(Object.values(wires))];
  const { ranks } = wires.world as Wire;
  const wire: Wire = {
    name: "routed",
    ...(ranks && { ranks }),
    async open(job) {
      check(wires, job.plan, ranksHere({ ranks }, job.plan));
      return Promise.all(distinct.map((each) => each.open(job)));
    },
    join(tickets, thread) {
      const maps = distinct.map((each, i) => each.join((tickets as unknown[])[i], thread));
      const mapOf = (each: Wire) => maps[distinct.indexOf(each)] as ReadonlyMap<number, Endpoint>;
      const own = [...mapOf(wires.world as Wire).keys()];
      const endpointsOf = (rank: number) =>
        Object.fromEntries(Object.entries(wires).map(([axis, each]) => [axis, mapOf(each).get(rank) as Endpoint]));
      return new Map(own.map((rank) => [rank, joined(endpointsOf(rank))]));
    },
  };
  return spread(wire, { workers, script });
}
