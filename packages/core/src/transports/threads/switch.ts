// One thread's side of the threads transport: the letter boxes of its ranks, the streams to and from the other threads,
// and the loop that serves them whenever the thread's bell rings. Sleeps without blocking: `Atomics.waitAsync`.
import { setImmediate } from "node:timers";
import { ClosedError } from "../../errors.ts";
import type { Frame } from "../endpoint.ts";
import { copyFrame } from "../frames.ts";
import { Inbox, twiceError } from "../inbox.ts";
import { Pool } from "../pool.ts";
import { type Wait, Watch } from "../watch.ts";
import { Counters } from "./counters.ts";
import { assembled, type Envelope } from "./envelope.ts";
import { Ring } from "./ring.ts";
import { Incoming, Outbox } from "./stream.ts";
import type { ThreadWiring } from "./wiring.ts";

/** A send that waits for credit. */
interface Blocked extends Wait {
  readonly to: number;
  readonly bytes: number;
  readonly resolve: () => void;
}

export class Switch {
  readonly pool: Pool;
  readonly #wiring: ThreadWiring;
  readonly #thread: number;
  readonly #counters: Counters;
  readonly #watch: Watch;
  readonly #inboxes = new Map<number, Inbox>();
  /** The streams to the other threads, by thread. */
  readonly #outboxes = new Map<number, Outbox>();
  readonly #incoming: Incoming[] = [];
  readonly #blocked = new Set<Blocked>();
  #closings = 0;

  /** `stall` in ms. */
  constructor(wiring: ThreadWiring, thread: number, stall: number) {
    this.pool = new Pool(4 * wiring.credit); // a gather of large frames holds several at once
    this.#wiring = wiring;
    this.#thread = thread;
    this.#counters = new Counters(wiring.counters, wiring.home, wiring.credit);
    this.#watch = new Watch(stall, () => [...this.#inboxes.values()].flatMap((inbox) => inbox.unclaimed()));
    for (const [rank, home] of wiring.home.entries()) if (home === thread) this.#addRank(rank);
    for (const other of wiring.rings.keys()) if (other !== thread) this.#connect(other);
    void this.#run();
  }

  /** Resolves when the memory may be reused; waits for credit with each receiver. */
  async send({ from, to, key, frame }: Envelope): Promise<void> {
    this.#checkOpen([from, ...to]);
    for (const rank of to) await this.#credit(from, rank, key, frame.data.length);
    this.#checkOpen([from, ...to]); // again: while this waited for credit, somebody may have closed
    const homes = new Set(to.map((rank) => this.#wiring.home[rank] as number));
    const envelope = (home: number): Envelope => ({
      from,
      to: to.filter((rank) => this.#wiring.home[rank] === home),
      key,
      frame,
    });
    await Promise.all([...homes].map((home) => this.#sendTo(home, envelope(home))));
  }

  /** Takes the frame that `from` sent to `rank`, of this thread, under `key`. */
  async recv(rank: number, from: number, key: string): Promise<Frame> {
    const frame = await (this.#inboxes.get(rank) as Inbox).recv(from, key);
    this.#counters.giveCredit(from, rank, frame.data.length);
    return frame;
  }

  /** Ends a rank of this thread. */
  close(rank: number): void {
    const inbox = this.#inboxes.get(rank) as Inbox;
    if (inbox.closed) return;
    inbox.close();
    for (const blocked of this.#blocked) if (blocked.rank === rank) blocked.reject(new ClosedError(rank));
    for (const outbox of this.#outboxes.values()) outbox.drop(new ClosedError(rank), rank);
    this.#counters.close(rank);
    if (!this.#open()) this.#watch.stop();
  }

  #addRank(rank: number): void {
    this.#inboxes.set(rank, new Inbox(rank, this.#watch, (change) => this.#counters.wait(rank, change)));
  }

  #connect(other: number): void {
    const { rings } = this.#wiring;
    const wake = (): void => this.#counters.wake(other);
    const out = new Ring(rings[this.#thread]?.[other] as SharedArrayBuffer);
    this.#outboxes.set(other, new Outbox(out, `thread ${other} to take`, this.#watch, wake));
    const ring = new Ring(rings[other]?.[this.#thread] as SharedArrayBuffer);
    const place = assembled(this.pool, (envelope) => this.#deliver(envelope));
    this.#incoming.push(new Incoming(ring, place, wake));
  }

  #open(): boolean {
    return this.#inboxes.values().some((inbox) => !inbox.closed);
  }

  /** Serves this thread until its last rank closed. */
  async #run(): Promise<void> {
    while (this.#open()) {
      const bell = this.#counters.bell(this.#thread);
      this.#turn();
      await (this.#counters.sleep(this.#thread, bell) ?? new Promise((resolve) => setImmediate(resolve)));
    }
  }

  #turn(): void {
    const closings = this.#counters.closings(); // read first: what a rank sent before it closed is then in the rings
    for (const incoming of this.#incoming) incoming.drain();
    if (closings !== this.#closings) this.#learnClosed(closings);
    for (const blocked of this.#blocked) this.#retry(blocked);
    for (const outbox of this.#outboxes.values()) outbox.flush();
  }

  #deliver({ to, from, key, frame }: Envelope): void {
    const copies = to.map((_, i) => (i === 0 ? frame : copyFrame(frame, this.pool)));
    for (const [i, rank] of to.entries()) this.#inboxes.get(rank)?.deliver(from, key, copies[i] as Frame);
  }

  async #sendTo(home: number, envelope: Envelope): Promise<void> {
    if (home !== this.#thread) return this.#outboxes.get(home)?.send(envelope);
    const { from, to, key, frame } = envelope;
    for (const rank of to)
      if (!this.#inboxes.get(rank)?.deliver(from, key, copyFrame(frame, this.pool))) throw twiceError(from, rank, key);
  }

  #checkOpen(ranks: readonly number[]): void {
    const closed = ranks.find((rank) => this.#counters.closed(rank));
    if (closed !== undefined) throw new ClosedError(closed);
  }

  async #credit(from: number, to: number, key: string, bytes: number): Promise<void> {
    if (!this.#counters.takeCredit(from, to, bytes)) await this.#waitForCredit(from, to, key, bytes);
  }

  #waitForCredit(from: number, to: number, key: string, bytes: number): Promise<void> {
    return new Promise((resolve, fail) => {
      const what = `rank ${to} to receive, so that "${key}" (${bytes} bytes) is within the credit of ${this.#wiring.credit}`;
      const reject = (error: Error): void => {
        this.#unblock(blocked);
        fail(error);
      };
      const blocked: Blocked = { rank: from, what, to, key, bytes, resolve, reject };
      this.#blocked.add(blocked);
      this.#watch.begin(blocked);
      this.#counters.block(to, 1);
      this.#counters.wait(from, 1);
      this.#retry(blocked); // the receiver may have consumed before it could see that somebody is blocked
    });
  }

  #retry(blocked: Blocked): void {
    if (!this.#counters.takeCredit(blocked.rank, blocked.to, blocked.bytes)) return;
    this.#unblock(blocked);
    blocked.resolve();
  }

  #unblock(blocked: Blocked): void {
    this.#blocked.delete(blocked);
    this.#watch.end(blocked);
    this.#counters.block(blocked.to, -1);
    this.#counters.wait(blocked.rank, -1);
  }

  #learnClosed(closings: number): void {
    this.#closings = closings;
    const closed = new Set(this.#wiring.home.keys().filter((rank) => this.#counters.closed(rank)));
    for (const rank of closed) for (const inbox of this.#inboxes.values()) inbox.peerClosed(rank);
    for (const blocked of this.#blocked) if (closed.has(blocked.to)) blocked.reject(new ClosedError(blocked.to));
    for (const [thread, outbox] of this.#outboxes) {
      const ranks = this.#wiring.home.flatMap((home, rank) => (home === thread ? [rank] : []));
      if (ranks.every((rank) => closed.has(rank)))
        outbox.drop(new ClosedError(ranks[0]!, `thread ${thread} is closed, with all its ranks`));
    }
  }
}
