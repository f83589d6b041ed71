// The memory transport: all ranks in one thread; a send is one copy into the receiver's letter box. Not a mock: runs
// use it wherever one thread holds all ranks. It has no credit: what is sent and not received stays in memory.
import { ClosedError } from "../errors.ts";
import { meshSize } from "../mesh.ts";
import type { Endpoint, Frame } from "./endpoint.ts";
import { checkFrame, checkRank, copyFrame } from "./frames.ts";
import { Inbox, twiceError } from "./inbox.ts";
import { Pool } from "./pool.ts";
import type { Transport } from "./transport.ts";
import { Watch } from "./watch.ts";

/** Options of `memory()`. */
export interface MemoryOptions {
  /** ms after which a `recv` rejects and names who waits for whom; Infinity for never. Default 60 000. */
  readonly stall?: number | undefined;
  /** Wraps each rank's endpoint, to watch or disturb it. */
  readonly wrap?: (endpoint: Endpoint) => Endpoint;
}

/** Carries frames between ranks that all live in this thread, interleaved at their awaits: a mesh without workers. */
export const memory = ({ stall, wrap = (endpoint) => endpoint }: MemoryOptions = {}): Transport => ({
  name: "memory",
  stall,
  open: async ({ mesh }) => memoryEndpoints(meshSize(mesh), { stall }).map(wrap),
  join: (endpoints: readonly Endpoint[]) => new Map(endpoints.map((endpoint) => [endpoint.rank, endpoint])),
});

/** Bytes of received memory, given back, that are kept for later frames. */
const kept = 64 * 2 ** 20;

/** Makes `size` connected endpoints, by rank. */
export function memoryEndpoints(size: number, { stall = 60_000 }: Pick<MemoryOptions, "stall"> = {}): Endpoint[] {
  const watch: Watch = new Watch(stall, () => inboxes.flatMap((inbox) => inbox.unclaimed()));
  const inboxes: Inbox[] = Array.from({ length: size }, (_, rank) => new Inbox(rank, watch));
  const pool = new Pool(kept);
  return inboxes.map((inbox) => endpoint(inbox, inboxes, watch, pool));
}

const endpoint = (own: Inbox, inboxes: readonly Inbox[], watch: Watch, pool: Pool): Endpoint => ({
  rank: own.rank,
  size: inboxes.length,
  async send(to, key, frame) {
    if (own.closed) throw new ClosedError(own.rank);
    checkFrame(key, frame);
    const receivers = to.map((rank) => receiver(inboxes, rank));
    for (const inbox of receivers) deliver(own.rank, inbox, key, frame, pool);
  },
  async recv(from, key) {
    checkRank(from, inboxes.length);
    return own.recv(from, key);
  },
  recycle: (data) => pool.give(data),
  async close() {
    if (own.closed) return;
    own.close();
    for (const inbox of inboxes) inbox.peerClosed(own.rank);
    if (inboxes.every((inbox) => inbox.closed)) watch.stop();
  },
});

function receiver(inboxes: readonly Inbox[], rank: number): Inbox {
  checkRank(rank, inboxes.length);
  const inbox = inboxes[rank] as Inbox;
  if (inbox.closed) throw new ClosedError(rank);
  return inbox;
}

function deliver(from: number, inbox: Inbox, key: string, frame: Frame, pool: Pool): void {
  if (inbox.holds(from, key)) throw twiceError(from, inbox.rank, key);
  inbox.deliver(from, key, copyFrame(frame, pool));
}
