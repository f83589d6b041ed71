// Where a rank's program meets the transport: its options, and the endpoints. These are the threads transport's, with what
// this process cannot see of the others added to the messages.
import { Counters, homesOf, joinThreads, type ThreadWiring, wireThreads } from "@orthant/core/transport-kit";
import type { LinkOptions } from "../connection/dial.ts";
import { type ClientJob, clientThread } from "../job.ts";
import { secretOf } from "../protocol/secret.ts";
import { subjectsOf } from "../protocol/subjects.ts";
import { Shared, sharedBytes } from "../shared.ts";
import { endpoint, type NatsEndpoint } from "./endpoint.ts";
import { startClient } from "./start.ts";

/** Which run, and which of its ranks are here. */
export interface RunOptions extends LinkOptions {
  /** Ranks with the same run name meet; letters, digits, `_` and `-`. */
  readonly run: string;
  /** Ranks of the run. */
  readonly size: number;
  /** Number of this attempt at the run: frames and ranks of another are refused. Default 0. */
  readonly epoch?: number;
  /** Name of the launcher that started this process, as in its lobby: what that says of ranks then concerns this run. */
  readonly launch?: string;
  /**
   * What all processes of the run know and nobody else, 16 bytes at least, text as UTF-8: keys are derived from it, and
   * what is not sealed with them is dropped. By default that of the environment's `ORTHANT_SECRET`. Without one, the run
   * trusts whoever may publish on its subjects.
   */
  readonly secret?: string | Uint8Array;
  /** Encrypt frames too; needs a secret. Who may subscribe still sees keys, shapes, sizes and control messages. */
  readonly encrypt?: boolean;
  /** What all ranks must agree on, by name: the mesh, the model, the version. */
  readonly fingerprint?: Readonly<Record<string, string>>;
  /** ms to wait for the other ranks. Default 60 000. */
  readonly gather?: number;
  /** ms that a rank may say nothing before it is given up. Default 30 000. */
  readonly silence?: number;
  /** ms between two signs of life. Default 1000. */
  readonly heartbeat?: number;
  /** ms that `close` waits for the receivers to acknowledge what this rank sent. Default 30 000. */
  readonly linger?: number;
  /** Bytes a sender may have with one receiver that this one did not `recv` yet. Default 64 MiB. */
  readonly credit?: number;
  /** Bytes from one process to another that are published and not acknowledged. By default 16 MiB, or less where more
   * than three processes share the 64 MiB that a server holds for one of them. */
  readonly window?: number;
  /** Refuse a server without JetStream: the transport needs none, the script may. */
  readonly jetstream?: boolean;
  /** Bytes of one frame, at most. Default 1 GiB. */
  readonly maxFrame?: number;
}

/** Options of a NATS endpoint. */
export interface NatsEndpointOptions extends RunOptions {
  readonly rank: number;
  /** ms after which what waits rejects and names who waits for whom; Infinity for never. Default 60 000. */
  readonly stall?: number;
}

/** Plain data for the threads of this process. */
export interface NatsTicket {
  readonly wiring: ThreadWiring;
  readonly shared: SharedArrayBuffer;
  /** The process's ranks, by thread. */
  readonly threads: readonly (readonly number[])[];
}

/** Finds the home of every rank: its thread, or the client's. */
function homes(size: number, threads: readonly (readonly number[])[]): number[] {
  const ranks = threads.flat();
  const wrong = ranks.find(
    (rank, i) => !(Number.isInteger(rank) && rank >= 0 && rank < size) || ranks.indexOf(rank) < i,
  );
  if (wrong !== undefined || ranks.length === 0)
    throw new Error(`ranks [${ranks.join(", ")}] of ${size}: each once, from 0 to ${size - 1}`);
  return homesOf(size, threads);
}

function jobOf(options: RunOptions, threads: readonly (readonly number[])[]): ClientJob {
  const { size, credit = 64 * 2 ** 20, epoch = 0, launch = "", fingerprint = {}, run, encrypt = false } = options;
  subjectsOf(run, epoch);
  const secret = secretOf(options.secret);
  if (encrypt && !secret) throw new Error("encrypt: true needs a secret: nats({ secret }), or ORTHANT_SECRET");
  const ranks = threads.flat();
  const others = Math.max(1, size - ranks.length);
  const defaults = { gather: 60_000, silence: 30_000, heartbeat: 1000, linger: 30_000, maxFrame: 2 ** 30 };
  const limits = { ...defaults, window: Math.min(2 ** 24, 2 ** 26 / others), ...options };
  const wiring = wireThreads(homes(size, threads), { credit });
  return {
    ...limits,
    epoch,
    launch,
    secret,
    encrypt,
    fingerprint: Object.entries({ ...fingerprint, encrypt: String(encrypt) }),
    ranks,
    wiring,
    shared: new SharedArrayBuffer(sharedBytes(size)),
  };
}

/**
 * Starts this process's client and waits until all ranks of the run have met. `threads` are the ranks of each of the
 * process's threads; each thread then calls `joinNats`. Rejects, in one line, where there is no server, it refuses the
 * credentials, the ranks do not agree or do not come.
 */
export async function startNats(options: RunOptions, threads: readonly (readonly number[])[]): Promise<NatsTicket> {
  const job = jobOf(options, threads);
  if (job.ranks.length < job.size) await startClient(job);
  return { wiring: job.wiring, shared: job.shared, threads };
}

/** Makes the endpoints, by rank, of the ranks at home on `thread`. To be called once a thread. `stall` in ms. */
export function joinNats(
  ticket: NatsTicket,
  thread: number,
  { stall = 60_000 }: { readonly stall?: number | undefined } = {},
): Map<number, NatsEndpoint> {
  const { wiring, threads } = ticket;
  const { home, credit } = wiring;
  const own = new Set(threads.flat());
  const counters = new Counters(wiring.counters, home, credit);
  const around = {
    shared: new Shared(ticket.shared, home.length),
    counters,
    far: new Set(home.keys().filter((rank) => !own.has(rank))),
    wake: () => counters.wake(clientThread(ticket)),
    grace: stall / 2,
  };
  const inner = joinThreads(wiring, thread, { stall });
  return new Map([...inner].map(([rank, end]) => [rank, endpoint(end, around)]));
}

/** Opens one rank's endpoint of a run over NATS, with a client of its own. */
export async function openNats(options: NatsEndpointOptions): Promise<NatsEndpoint> {
  const ticket = await startNats(options, [[options.rank]]);
  return joinNats(ticket, 0, options).get(options.rank) as NatsEndpoint;
}
