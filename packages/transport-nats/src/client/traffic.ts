// The frames of a client: from the rings of this process's threads to the subjects of the server, and back. Knows which
// client each rank has; how those are, and what they are told, is the bridge's.
import type { Counters, Heading } from "@orthant/core/transport-kit";
import type { Link } from "../connection/link.ts";
import { type ClientJob, clientThread } from "../job.ts";
import { FrameCodec, FrameError } from "../protocol/frame.ts";
import { type Subjects, setOf } from "../protocol/subjects.ts";
import type { Shared } from "../shared.ts";
import { Inflow } from "./inflow.ts";
import { Outflow } from "./outflow.ts";
import type { Peer } from "./peer.ts";
import { Rings } from "./rings.ts";

/** Bytes taken from a ring before the sockets get their turn. */
const bite = 2 ** 20;
/** Bytes taken from the rings before they are published, at most and a bite: what lies there longer falls out of the caches. */
const ahead = 2 ** 22;

export interface TrafficParts {
  readonly job: ClientJob;
  readonly link: Link;
  readonly subjects: Subjects;
  /** The client of each rank. */
  readonly nodeOf: readonly number[];
  readonly peers: ReadonlyMap<number, Peer>;
  readonly counters: Counters;
  readonly shared: Shared;
  /** Hears the bytes of a part that came to a set of ranks. */
  readonly onPart: (set: string, bytes: Uint8Array) => void;
}

export class Traffic {
  readonly outflow: Outflow;
  readonly inflow: Inflow;
  readonly #parts: TrafficParts;
  readonly #rings: Rings;
  readonly #frames = new FrameCodec();
  /** Sets subscribed to. */
  readonly #sets: Set<string>;
  /** Something may be left in the rings. */
  #unread = false;

  constructor(parts: TrafficParts) {
    const { job, link, subjects, nodeOf, counters, shared } = parts;
    const { run, epoch, size, window } = job;
    this.#parts = parts;
    this.#sets = new Set(job.ranks.map((rank) => setOf([rank]))); // before all met
    this.#rings = new Rings(job, counters, (heading, length) => this.#take(heading, length));
    this.inflow = new Inflow(size, (envelope) => this.#rings.deliver(envelope));
    const publish = (subject: string, bytes: Uint8Array): void => {
      if (link.publish(subject, bytes)) shared.count("published");
    };
    const unread = (): boolean => this.#unread;
    const { maxPayload } = link;
    this.outflow = new Outflow({ run, epoch, size, subjects, maxPayload, window, nodeOf, publish, unread });
  }

  /** Takes a part that came to `set`. Throws a FrameError where it is not of this run. */
  take(set: string, bytes: Uint8Array): void {
    const { job, peers, nodeOf } = this.#parts;
    const part = this.#frames.decode(bytes, job);
    const peer = peers.get(nodeOf[part.from] ?? -1);
    if (part.run !== job.run || part.epoch !== job.epoch || !peer || peer.left.has(part.from))
      throw new FrameError(`rank ${part.from} in epoch ${part.epoch} of "${part.run}" is not of this run`);
    this.#count(this.inflow.accept(set, part), peer);
  }

  /** Moves all that can move now. */
  move(): void {
    this.#unread = this.outflow.ahead >= ahead || this.#rings.read(bite);
    this.#rings.flush();
    this.pump();
  }

  /** Publishes all that may go now. */
  pump(): void {
    const { job, link, counters } = this.#parts;
    if (link.up) this.outflow.pump(performance.now());
    if (this.#unread && this.outflow.ahead < ahead) counters.wake(clientThread(job));
  }

  /** Listens to what `from` sends to `set`. */
  open(from: number, set: string): void {
    this.#listen(set);
    this.inflow.open(from, set);
  }

  /** Resolves once all that came from `rank` is in the rings. */
  delivered(rank: number): Promise<void> {
    return this.#rings.delivered(rank);
  }

  /** Subscribes to what goes to `set`, once. */
  #listen(set: string): void {
    const { link, subjects, onPart } = this.#parts;
    if (this.#sets.has(set)) return;
    this.#sets.add(set);
    link.subscribe(subjects.data(set, "*"), (bytes) => onPart(set, bytes));
  }

  /** Finds memory for what a thread sends. */
  *#take(heading: Heading, length: number): Generator<Uint8Array, void> {
    const { nodeOf } = this.#parts;
    const peers = new Map(heading.to.map((rank) => [rank, this.#parts.peers.get(nodeOf[rank] as number) as Peer]));
    const to = heading.to.filter((rank) => !peers.get(rank)?.left.has(rank));
    if (to.length === 0) return void (length > 0 && (yield new Uint8Array(length)));
    const memories = this.outflow.take({ ...heading, to }, length);
    for (const peer of peers.values()) if (this.outflow.unopened(peer.node).length > 0) peer.due = "now";
    yield* memories;
  }

  #count(verdict: ReturnType<Inflow["accept"]>, peer: Peer): void {
    const { job, counters, shared } = this.#parts;
    peer.missed = 0;
    shared.count(verdict === "taken" ? "received" : verdict === "gap" ? "gaps" : "duplicates");
    const much = verdict === "gap" || this.inflow.unsaid(peer.ranks) > job.window / 8;
    if (much && peer.due !== "now") counters.wake(clientThread(job));
    peer.due = much ? "now" : (peer.due ?? "soon");
  }
}
