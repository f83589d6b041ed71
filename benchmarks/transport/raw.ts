// Plain publish and subscribe between the same processes as the transport's: what it is measured against. Messages are
// sent from one buffer and only counted on arrival; a window of bytes that the receivers confirm keeps the server from
// dropping any. As fast as the NATS client is, and no faster: window and message size are the best of those tried.
import { connect, type NatsConnection } from "@nats-io/transport-node";

export interface RawOptions {
  readonly servers: string;
  /** All subjects begin with it. */
  readonly prefix: string;
  readonly rank: number;
  readonly size: number;
  /** Bytes of a message, at most. */
  readonly message?: number;
  /** Bytes sent to one receiver and not confirmed, at most. */
  readonly window?: number;
}

/** Counts that somebody waits for. */
class Counter {
  value = 0;
  #waits: { readonly target: number; readonly resolve: () => void }[] = [];

  add(more: number): void {
    this.value += more;
    const due = this.#waits.filter(({ target }) => target <= this.value);
    if (due.length === 0) return;
    this.#waits = this.#waits.filter(({ target }) => target > this.value);
    for (const { resolve } of due) resolve();
  }

  async reach(target: number): Promise<void> {
    if (this.value < target) await new Promise<void>((resolve) => this.#waits.push({ target, resolve }));
  }
}

const counters = (size: number): Counter[] => Array.from({ length: size }, () => new Counter());

export class Raw {
  readonly rank: number;
  readonly size: number;
  readonly #connection: NatsConnection;
  readonly #prefix: string;
  readonly #message: number;
  readonly #window: number;
  /** Counts by other rank: bytes received, of those confirmed, bytes it confirmed, bytes sent, bytes asked for, signals. */
  readonly #got: Counter[];
  readonly #said: number[];
  readonly #confirmed: Counter[];
  readonly #sent: number[];
  readonly #asked: number[];
  readonly #signals: Counter[];
  readonly #heard: number[];

  private constructor(connection: NatsConnection, options: RawOptions) {
    const { prefix, rank, size, message = 2 ** 20 - 1024, window = 2 ** 23 } = options;
    this.rank = rank;
    this.size = size;
    this.#connection = connection;
    this.#prefix = prefix;
    this.#message = message;
    this.#window = window;
    [this.#got, this.#confirmed, this.#signals] = [counters(size), counters(size), counters(size)];
    [this.#said, this.#sent, this.#asked, this.#heard] = [0, 0, 0, 0].map(() => Array<number>(size).fill(0)) as [
      number[],
      number[],
      number[],
      number[],
    ];
  }

  static async open(options: RawOptions): Promise<Raw> {
    const raw = new Raw(await connect({ servers: options.servers, noEcho: true }), options);
    for (let other = 0; other < options.size; other++) if (other !== options.rank) raw.#listen(other);
    await raw.#connection.flush();
    return raw;
  }

  /** Publishes `bytes` of `data` once, to all ranks of `to`. */
  async send(to: readonly number[], data: Uint8Array, bytes: number): Promise<void> {
    const subject = `${this.#prefix}.${to.length > 1 ? "all" : to[0]}.${this.rank}`;
    for (let at = 0; at < bytes; at += this.#message) {
      const part = data.subarray(at, Math.min(bytes, at + this.#message));
      for (const rank of to) {
        this.#sent[rank]! += part.length;
        await this.#confirmed[rank]!.reach(this.#sent[rank]! - this.#window);
      }
      this.#connection.publish(subject, part);
    }
  }

  /** Waits until `bytes` more came from `rank`. */
  recv(rank: number, bytes: number): Promise<void> {
    this.#asked[rank]! += bytes;
    return this.#got[rank]!.reach(this.#asked[rank]!);
  }

  signal(rank: number): void {
    this.#connection.publish(`${this.#prefix}.signal${rank}.${this.rank}`);
  }

  heard(rank: number): Promise<void> {
    return this.#signals[rank]!.reach(++this.#heard[rank]!);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  #listen(other: number): void {
    const hear = (subject: string, callback: (data: Uint8Array) => void): void => {
      this.#connection.subscribe(`${this.#prefix}.${subject}.${other}`, {
        callback: (_, message) => callback(message.data),
      });
    };
    for (const subject of ["all", `${this.rank}`]) hear(subject, (data) => this.#take(other, data.length));
    hear(`confirm${this.rank}`, (data) =>
      this.#confirmed[other]!.add(new DataView(data.buffer, data.byteOffset).getUint32(0)),
    );
    hear(`signal${this.rank}`, () => this.#signals[other]!.add(1));
  }

  #take(other: number, bytes: number): void {
    this.#got[other]!.add(bytes);
    const news = this.#got[other]!.value - this.#said[other]!;
    if (news < this.#window / 4) return;
    this.#said[other] = this.#got[other]!.value;
    const data = new Uint8Array(4);
    new DataView(data.buffer).setUint32(0, news);
    this.#connection.publish(`${this.#prefix}.confirm${other}.${this.rank}`, data);
  }
}
