// All that the ranks of this process send to others: frames are cut into parts that fit a message, one stream for each
// sender and set of receivers, and published as far as the receivers' window lets them. No clock and no server of its own.
import { type Heading, Pool } from "@orthant/core/transport-kit";
import { poolBytes } from "../job.ts";
import type { PartKey } from "../protocol/cipher.ts";
import { FrameCodec, headerRoom, partBytes } from "../protocol/frame.ts";
import { ranksOf, type Subjects, setOf } from "../protocol/subjects.ts";
import { Stream } from "./stream.ts";

/** Bytes of a message that is made smaller for a slow receiver. */
const leastPart = 2 ** 16;

export interface OutflowOptions {
  readonly run: string;
  readonly epoch: number;
  readonly size: number;
  readonly subjects: Subjects;
  readonly maxPayload: number;
  /** Bytes published to one client and not acknowledged, at most; one part is always let through. */
  readonly window: number;
  /** The client of each rank. */
  readonly nodeOf: readonly number[];
  /** The bytes stay as they are until all receivers acknowledged them. */
  readonly publish: (subject: string, bytes: Uint8Array) => void;
  /** Frames of this process wait to be taken. */
  readonly unread: () => boolean;
  /** The key that seals what `from` sends to a set of ranks. */
  readonly keyOf?: (from: number, set: string) => PartKey | undefined;
}

export class Outflow {
  readonly #options: OutflowOptions;
  readonly #codec = new FrameCodec();
  readonly #pool = new Pool(poolBytes);
  readonly #streams = new Map<string, Stream>();
  /** Bytes on the way to a client that it allows, by client. */
  readonly #granted = new Map<number, number>();
  /** Parts published more than once. */
  resent = 0;

  constructor(options: OutflowOptions) {
    this.#options = options;
  }

  /** Bytes taken and not yet published. */
  get ahead(): number {
    return this.#streams.values().reduce((sum, stream) => sum + stream.ahead, 0);
  }

  /** Takes a frame: yields the memory of each part to fill, and has it published when it is full. */
  take(heading: Heading, length: number): Generator<Uint8Array, void> {
    return this.#cut(this.#stream(heading.from, setOf(heading.to)), heading, length);
  }

  /** Publishes all that may go now, stream after stream in turn. Returns the number of parts. */
  pump(now: number): number {
    let sent = 0;
    for (let before = -1; sent > before; ) {
      before = sent;
      for (const stream of this.#streams.values()) if (this.#publish(stream, now)) sent += 1;
    }
    return sent;
  }

  /** Hears which parts of a stream `node` has. */
  acknowledge(node: number, from: number, set: string, parts: number, gap: boolean, now: number): void {
    this.#streams.get(`${from} ${set}`)?.acknowledge(node, parts, gap, now);
  }

  /** Hears how many bytes `node` allows on the way to it. */
  grant(node: number, bytes: number): void {
    this.#granted.set(node, bytes);
  }

  /** Lists the streams that `node` did not yet say it listens to. */
  unopened(node: number): [from: number, set: string][] {
    const streams = [...this.#streams.values()];
    return streams.filter((s) => s.nodes.has(node) && !s.listens(node)).map((s) => [s.from, s.set]);
  }

  /** Sends again where no acknowledgement came for `patience` ms. */
  retry(now: number, patience: number): void {
    for (const stream of this.#streams.values()) stream.retry(now, patience);
  }

  /** Sends again after a lost connection: one's own, or that of `node`. */
  rewind(now: number, node?: number): void {
    for (const stream of this.#streams.values()) if (node === undefined || stream.nodes.has(node)) stream.rewind(now);
  }

  /** Drops `node` as a receiver of all streams. */
  drop(node: number): void {
    for (const stream of this.#streams.values()) stream.drop(node);
  }

  /** Whether `rank` has something that is not yet with all its receivers. */
  busy(rank: number): boolean {
    const streams = this.#streams.values();
    return this.#options.unread() || streams.some((stream) => stream.from === rank && stream.busy);
  }

  *#cut(stream: Stream, { from, key, dtype, shape }: Heading, length: number): Generator<Uint8Array, void> {
    const { run, epoch, keyOf } = this.#options;
    const [at, step] = [headerRoom({ key, shape }), partBytes({ key, shape }, this.#most(stream))];
    const seal = keyOf?.(from, stream.set);
    const parts = Math.max(1, Math.ceil(length / step));
    for (let part = 0; part < parts; part++) {
      const bytes = Math.min(step, length - part * step);
      const memory = this.#memory(at + bytes);
      if (bytes > 0) yield memory.subarray(at);
      const head = { run, epoch, from, key, dtype, wire: dtype, shape, part, parts };
      stream.push((seq) => this.#codec.seal({ ...head, seq }, memory, at, seal));
    }
  }

  #stream(from: number, set: string): Stream {
    const name = `${from} ${set}`;
    const known = this.#streams.get(name);
    if (known) return known;
    const { nodeOf, size, subjects } = this.#options;
    const nodes = ranksOf(set, size).map((rank) => nodeOf[rank] as number);
    const free = (bytes: Uint8Array): void => this.#pool.give(new Uint8Array(bytes.buffer));
    const stream = new Stream(from, set, subjects.data(set, from), nodes, free);
    this.#streams.set(name, stream);
    if (nodes.length === 1) stream.acknowledge(nodes[0] as number, 0, false, 0); // listens since it met
    return stream;
  }

  #publish(stream: Stream, now: number): boolean {
    const part = stream.open ? stream.next() : undefined;
    if (!part || ![...stream.nodes].every((node) => this.#fits(node, part.bytes.length))) return false;
    this.#options.publish(stream.subject, part.bytes);
    if (stream.published(now)) this.resent += 1;
    return true;
  }

  #fits(node: number, bytes: number): boolean {
    const flying = this.#streams.values().reduce((sum, stream) => sum + stream.flying(node), 0);
    return flying === 0 || flying + bytes <= this.#window(node);
  }

  #window(node: number): number {
    return Math.min(this.#options.window, this.#granted.get(node) ?? Infinity);
  }

  /** Bytes of a message of a stream: smaller ones where a receiver is slow. */
  #most({ nodes }: Stream): number {
    const { maxPayload } = this.#options;
    return Math.min(maxPayload, ...[...nodes].map((node) => Math.max(leastPart, this.#window(node))));
  }

  /** Large parts share one length, so that the pool's memory fits them all. */
  #memory(length: number): Uint8Array {
    const { maxPayload } = this.#options;
    return this.#pool.take(2 * length > maxPayload ? maxPayload : length).subarray(0, length);
  }
}
