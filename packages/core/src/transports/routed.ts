// A transport made of transports, one for each axis: tensor-parallel ranks in one process's memory, say, data-parallel
// ones over NATS. A message's key opens with its axis, so each goes its own way; what concerns all ranks takes the way
// that reaches them all.
import { axisSize, ranksAlong } from "../mesh.ts";
import type { Endpoint } from "./endpoint.ts";
import { axisOfKey, world } from "./key.ts";
import { ranksHere, type Transport, type TransportJob } from "./transport.ts";

/** Maps each axis to its transport; `world`, for what concerns all ranks, is by default the first that spans processes, else the first. */
export type Routes = Readonly<Record<string, Transport>>;

/** Options of `routed()`. */
export interface RoutedOptions {
  /** Worker threads, never more than ranks; by default as many as every one of the transports spreads ranks over. */
  readonly workers?: number;
  /** The module each worker runs; the program's main module by default. */
  readonly script?: string | URL;
}

/** Refuses what no process could be part of; adds the way of `world` where it is not given. */
function complete(routes: Routes): Routes {
  const entries = Object.entries(routes);
  const first = entries.find(([, { ranks }]) => ranks) ?? entries[0];
  if (!first) throw new Error("routed({}) has no transport: give each axis one, such as routed({ tp: threads() })");
  const here = entries.flatMap(([axis, { ranks }]) => (ranks ? [[axis, ranks.join(", ")] as const] : []));
  if (new Set(here.map(([, ranks]) => ranks)).size > 1)
    throw new Error(
      `a process has one list of ranks, yet ${here.map(([axis, ranks]) => `${axis} has [${ranks}]`).join(", ")}: ` +
        "give all that reach other processes the same ranks",
    );
  return { [world]: first[1], ...routes };
}

/** The threads that every way reaches, or as many as were asked for. */
function workersOf(routes: Routes, asked: number | undefined): number {
  if (asked === undefined) return Math.min(...Object.values(routes).map(({ workers = 1 }) => workers));
  const [axis, held] = Object.entries(routes).find(([, { workers }]) => asked > 1 && workers === undefined) ?? [];
  if (!held) return asked;
  throw new Error(
    `routed({ ${axis}: ${held.name}() }, { workers: ${asked} }): ${held.name}() keeps its ranks in one thread: give 1 worker`,
  );
}

/** Refuses an axis without a way, and one whose way stays in this process while its groups do not. */
function check(routes: Routes, { mesh }: TransportJob, here: readonly number[]): void {
  for (const axis of Object.keys(routes))
    if (axis !== world && !(axis in mesh))
      throw new Error(
        `routed() has a transport for ${axis}, an axis that the mesh lacks: drop it, or add ${axis} to the mesh`,
      );
  for (const axis of Object.keys(mesh)) {
    const route = routes[axis];
    if (!route && axisSize(mesh, axis) > 1) throw new Error(`routed() has no transport for ${axis}: add ${axis}`);
    for (const rank of route && !route.ranks ? here : []) {
      const group = ranksAlong(mesh, rank, axis);
      if (group.some((other) => !here.includes(other)))
        throw new Error(
          `${axis} goes through ${route?.name}(), which stays in a process, and this one has ranks ${here.join(", ")} ` +
            `but not all of the ${axis} group ${group.join(", ")}: give each process whole groups, or another transport`,
        );
    }
  }
}

/** Joins one rank's endpoints into one. */
function joined(endpoints: Readonly<Record<string, Endpoint>>): Endpoint {
  const all = [...new Set(Object.values(endpoints))];
  const whole = endpoints[world] as Endpoint;
  const along = (key: string): Endpoint => endpoints[axisOfKey(key)] ?? whole;
  const owners = new WeakMap<ArrayBufferLike, Endpoint>();
  return {
    rank: whole.rank,
    size: whole.size,
    send: (to, key, frame) => along(key).send(to, key, frame),
    async recv(from, key) {
      const frame = await along(key).recv(from, key);
      owners.set(frame.data.buffer, along(key));
      return frame;
    },
    recycle: (data) => owners.get(data.buffer)?.recycle?.(data),
    group: async (axis, ranks, host) => endpoints[axis]?.group?.(axis, ranks, host) ?? host,
    close: async (failure) => void (await Promise.all(all.map((endpoint) => endpoint.close(failure)))),
  };
}

/** Sends the messages of each axis as `routes` says. Throws, or refuses to open, where that cannot work. */
export function routed(routes: Routes, { workers, script }: RoutedOptions = {}): Transport {
  const ways = complete(routes);
  const distinct = [...new Set(Object.values(ways))];
  const { ranks } = ways[world] as Transport;
  return {
    name: "routed",
    ranks,
    workers: workersOf(ways, workers),
    script,
    async open(job) {
      check(ways, job, ranksHere({ ranks }, job.mesh));
      return Promise.all(distinct.map((each) => each.open(job)));
    },
    join(tickets: readonly unknown[], thread) {
      const maps = new Map(distinct.map((each, i) => [each, each.join(tickets[i], thread)]));
      const endpointsOf = (rank: number) =>
        Object.fromEntries(Object.entries(ways).map(([axis, each]) => [axis, maps.get(each)?.get(rank) as Endpoint]));
      const own = maps.get(ways[world] as Transport) as ReadonlyMap<number, Endpoint>;
      return new Map([...own.keys()].map((rank) => [rank, joined(endpointsOf(rank))]));
    },
  };
}
