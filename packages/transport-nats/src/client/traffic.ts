// The frames of a client: from the rings of this process's threads to the subjects of the server, and back. Knows which
// client each rank has; how those are, and what they are told, is the bridge's.
import type { Counters, Envelope, Heading } from "@orthant/core/transport-kit";
import type { Link } from "../connection/link.ts";
import { type ClientJob, clientThread } from "../job.ts";
import type { Meeting } from "../meeting/rendezvous.ts";
import { PartKey } from "../protocol/cipher.ts";
import { showEpoch } from "../protocol/epoch.ts";
import { FrameCodec, FrameError } from "../protocol/frame.ts";
import { keyOf } from "../protocol/secret.ts";
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

/** What is counted of a part. */
const counts = { taken: "received", gap: "gaps", duplicate: "duplicates", beyond: "beyond" } as const;

export interface TrafficParts {
  readonly job: ClientJob;
  readonly link: Link;
  readonly subjects: Subjects;
  readonly meeting: Meeting;
  readonly peers: ReadonlyMap<number, Peer>;
  readonly counters: Counters;
  readonly shared: Shared;
  /** Bytes that each other may have on the way to this process now. */
  readonly granted: () => number;
  /** Hears the bytes of a part that came to a set of ranks. */
  readonly onPart: (set: string, bytes: Uint8Array) => void;
}

export class Traffic {
  /** Bytes of parts that were published and heard. */
  moved = 0;
  readonly outflow: Outflow;
  readonly inflow: Inflow;
  readonly #parts: TrafficParts;
  readonly #rings: Rings;
  readonly #frames = new FrameCodec();
  readonly #own: ReadonlySet<number>;
  /** Sets subscribed to. */
  readonly #sets: Set<string>;
  /** Keys of streams, by sender and set. */
  readonly #keys = new Map<string, PartKey>();
  /** Words of 8 bytes that came for a rank from another, modulo 2^32, by `from * size + to`. */
  readonly #came = new Map<number, number>();
  /** Something may be left in the rings. */
  #unread = false;

  constructor(parts: TrafficParts) {
    const { job, link, subjects, meeting, counters, shared } = parts;
    const { run, epoch, size, window, secret } = job;
    const { nodeOf } = meeting;
    this.#parts = parts;
    this.#own = new Set(job.ranks);
    this.#sets = new Set(job.ranks.map((rank) => setOf([rank]))); // before all met
    this.#rings = new Rings(job, counters, (heading, length) => this.#take(heading, length));
    this.inflow = new Inflow(
      size,
      (envelope) => this.#deliver(envelope),
      (from, to, bytes) => this.#admits(from, to, bytes),
    );
    const publish = (subject: string, bytes: Uint8Array): void => {
      this.moved += bytes.length;
      if (link.publish(subject, bytes)) shared.count("published");
    };
    const unread = (): boolean => this.#unread;
    const { maxPayload } = link;
    const keyOf = (from: number, set: string): PartKey | undefined => secret && this.#key(from, set);
    this.outflow = new Outflow({ run, epoch, size, subjects, maxPayload, window, nodeOf, publish, unread, keyOf });
  }

  /** Takes a part that came to `set`. Throws a FrameError where it is not of this run. */
  take(set: string, bytes: Uint8Array): void {
    const { job, peers, meeting } = this.#parts;
    this.moved += bytes.length;
    const part = this.#frames.decode(bytes, job, job.secret && ((from) => this.#key(from, set)));
    const peer = peers.get(meeting.nodeOf[part.from] ?? -1);
    if (part.run !== job.run || part.epoch !== job.epoch || !peer || peer.left.has(part.from))
      throw new FrameError(`rank ${part.from} in epoch ${showEpoch(part.epoch)} of "${part.run}" is not of this run`);
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
    const before = this.outflow.resent;
    if (link.up) this.outflow.pump(performance.now());
    if (this.outflow.resent > before) this.#parts.shared.count("resent", this.outflow.resent - before);
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
    const { nodeOf } = this.#parts.meeting;
    const peers = new Map(heading.to.map((rank) => [rank, this.#parts.peers.get(nodeOf[rank] as number) as Peer]));
    const to = heading.to.filter((rank) => !peers.get(rank)?.left.has(rank));
    if (to.length === 0) return void (length > 0 && (yield new Uint8Array(length)));
    const memories = this.outflow.take({ ...heading, to }, length);
    for (const peer of peers.values()) if (this.outflow.unopened(peer.node).length > 0) peer.due = "now";
    yield* memories;
  }

  /** The key of what `from` sends to `set`: of its client, whose random name no other run has. */
  #key(from: number, set: string): PartKey {
    const name = `${from} ${set}`;
    const known = this.#keys.get(name);
    if (known) return known;
    const { job, meeting } = this.#parts;
    const { run, epoch, secret, encrypt = false } = job;
    const id = meeting.ids.get(meeting.nodeOf[from] ?? -1);
    if (id === undefined) throw new FrameError(`rank ${from} is not of this run`);
    const bytes = keyOf(secret as Uint8Array, ["parts", run, epoch, id, from, set, meeting.cipher, String(encrypt)]);
    const key = new PartKey(meeting.cipher, bytes, encrypt);
    this.#keys.set(name, key);
    return key;
  }

  #here(ranks: readonly number[]): number[] {
    return ranks.filter((rank) => this.#own.has(rank) && !this.#parts.counters.closed(rank));
  }

  #deliver(envelope: Envelope): void {
    const { from, to, piece } = envelope;
    if (piece?.at === 0)
      for (const rank of this.#here(to)) {
        const pair = from * this.#parts.job.size + rank;
        this.#came.set(pair, (this.#came.get(pair) ?? 0) + Math.ceil(piece.whole / 8));
      }
    this.#rings.deliver(envelope);
  }

  /**
   * Whether a frame from `from` is within the credit that its receivers gave: what they hold of it, and what was on the way
   * when they said so. While a receiver waits it takes anything, as senders know.
   */
  #admits(from: number, to: readonly number[], bytes: number): boolean {
    const { job, counters, shared } = this.#parts;
    return this.#here(to).every((rank) => {
      const came = this.#came.get(from * job.size + rank) ?? 0;
      const held = 8 * ((came - shared.consumed(from, rank)) >>> 0);
      return held === 0 || held + bytes <= job.wiring.credit + job.window || counters.waits(rank);
    });
  }

  #count(verdict: ReturnType<Inflow["accept"]>, peer: Peer): void {
    const { job, counters, shared, granted } = this.#parts;
    if (verdict === "taken") peer.missed = 0;
    shared.count(counts[verdict]);
    if (verdict === "beyond") throw new FrameError("it is beyond the credit that this process gave");
    const much = verdict === "gap" || this.inflow.unsaid(peer.ranks) > granted() / 8;
    if (much && peer.due !== "now") counters.wake(clientThread(job));
    peer.due = much ? "now" : (peer.due ?? "soon");
  }
}
