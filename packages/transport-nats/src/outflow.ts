// All that the ranks of this process send to others: frames are cut into parts that fit a message, one stream for each
// sender and set of receivers, and published as far as the receivers' window lets them. No clock and no server of its own.
import type { Frame } from "@orthant/core";
import { type Parcel, Pool } from "@orthant/core/internal";
import { FrameCodec, frameBytes, partBytes } from "./frame.ts";
import { Stream } from "./stream.ts";
import { ranksOf, type Subjects, setOf } from "./subjects.ts";

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
  readonly publish: (subject: string, bytes: Uint8Array) => void;
  /** Gets back a frame's memory once it is cut up. */
  readonly recycle: (data: Uint8Array) => void;
}

interface Job {
  readonly parcel: Parcel;
  readonly parts: number;
  readonly step: number;
  part: number;
}

export class Outflow {
  readonly #options: OutflowOptions;
  readonly #codec = new FrameCodec();
  readonly #pool: Pool;
  readonly #streams = new Map<string, Stream>();
  readonly #jobs = new Map<string, Job[]>();

  constructor(options: OutflowOptions) {
    this.#options = options;
    this.#pool = new Pool(2 * options.window);
  }

  /** Takes over a frame and its memory. */
  add(parcel: Parcel): void {
    const set = setOf(parcel.to);
    const name = `${parcel.from} ${set}`;
    if (!this.#streams.has(name)) this.#addStream(name, parcel.from, set);
    const { key, frame } = parcel;
    const step = partBytes({ key, shape: frame.shape }, this.#options.maxPayload);
    this.#jobs.get(name)?.push({ parcel, step, part: 0, parts: Math.max(1, Math.ceil(frame.data.length / step)) });
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

  acknowledge(node: number, from: number, set: string, parts: number, gap: boolean, now: number): void {
    this.#streams.get(`${from} ${set}`)?.acknowledge(node, parts, gap, now);
  }

  /** Streams that `node` did not yet say it listens to. */
  unopened(node: number): [from: number, set: string][] {
    const streams = [...this.#streams.values()];
    return streams.filter((s) => s.nodes.has(node) && !s.listens(node)).map((s) => [s.from, s.set]);
  }

  /** Sends again where no acknowledgement came for `patience` ms. Returns the number of streams. */
  retry(now: number, patience: number): number {
    return [...this.#streams.values()].filter((stream) => stream.retry(now, patience)).length;
  }

  /** After a lost connection. */
  rewind(now: number): void {
    for (const stream of this.#streams.values()) stream.rewind(now);
  }

  drop(node: number): void {
    for (const [name, stream] of this.#streams) {
      stream.drop(node);
      if (stream.nodes.size === 0) this.#jobs.get(name)!.length = 0;
    }
  }

  /** `rank` has something that is not yet with all its receivers. */
  busy(rank: number): boolean {
    return this.#streams.values().some((stream) => stream.from === rank && stream.nodes.size > 0 && stream.busy);
  }

  #addStream(name: string, from: number, set: string): void {
    const { nodeOf, size, subjects } = this.#options;
    const nodes = ranksOf(set, size).map((rank) => nodeOf[rank] as number);
    const jobs: Job[] = [];
    const cut = (seq: number): Uint8Array | undefined => this.#cut(jobs, seq);
    const free = (bytes: Uint8Array): void => this.#pool.give(new Uint8Array(bytes.buffer));
    this.#jobs.set(name, jobs);
    const stream = new Stream(from, set, subjects.data(set, from), nodes, cut, free);
    this.#streams.set(name, stream);
    const [only, ...others] = ranksOf(set, size);
    if (only !== undefined && others.length === 0) stream.acknowledge(nodeOf[only] as number, 0, false, 0); // listens since it met
  }

  #publish(stream: Stream, now: number): boolean {
    const part = stream.open ? stream.next() : undefined;
    if (!part || ![...stream.nodes].every((node) => this.#fits(node, part.bytes.length))) return false;
    this.#options.publish(stream.subject, part.bytes);
    stream.published(now);
    return true;
  }

  #fits(node: number, bytes: number): boolean {
    const flying = this.#streams.values().reduce((sum, stream) => sum + stream.flying(node), 0);
    return flying === 0 || flying + bytes <= this.#options.window;
  }

  #cut(jobs: Job[], seq: number): Uint8Array | undefined {
    const job = jobs[0];
    if (!job) return undefined;
    const { run, epoch, recycle } = this.#options;
    const { from, key, frame } = job.parcel;
    const { dtype, shape } = frame satisfies Frame;
    const { part, parts, step } = job;
    const data = frame.data.subarray(part * step, Math.min(frameBytes(frame), (part + 1) * step));
    const head = { run, epoch, seq, from, key, dtype, shape, part, parts };
    job.part += 1;
    const bytes = this.#codec.encode(head, data, (length) => this.#take(length));
    if (job.part === parts) {
      jobs.shift();
      recycle(frame.data);
    }
    return bytes;
  }

  /** Large parts share one length, so that the pool's memory fits them all. */
  #take(length: number): Uint8Array<ArrayBuffer> {
    const { maxPayload } = this.#options;
    const memory = 2 * length > maxPayload ? this.#pool.take(maxPayload) : new Uint8Array(length);
    return memory.subarray(0, length) as Uint8Array<ArrayBuffer>;
  }
}
