// The client's ends of the rings to and from this process's threads: frames come out of them piece by piece, and go in as
// their parts arrive, so that neither waits for the whole. Knows no server.
import {
  type Counters,
  type Envelope,
  Incoming,
  Outbox,
  type Place,
  Pool,
  Ring,
  Watch,
} from "@orthant/core/transport-kit";
import { type ClientJob, clientThread, poolBytes } from "../job.ts";

export class Rings {
  readonly #job: ClientJob;
  readonly #counters: Counters;
  readonly #own: ReadonlySet<number>;
  /** Rings to the threads, by thread. */
  readonly #outboxes: readonly Outbox[];
  readonly #incoming: readonly Incoming[];
  /** Memory for pieces on their way into a ring. */
  readonly #pool = new Pool(poolBytes);
  /** What settles once all that came from a sender is in the rings, by sender. */
  readonly #delivered = new Map<number, Promise<unknown>>();

  /** `place` has the memory for what the threads send. */
  constructor(job: ClientJob, counters: Counters, place: Place) {
    this.#job = job;
    this.#counters = counters;
    this.#own = new Set(job.ranks);
    const client = clientThread(job);
    const ring = (from: number, to: number): Ring => new Ring(job.wiring.rings[from]?.[to] as SharedArrayBuffer);
    const threads = Array.from({ length: client }, (_, thread) => ({ thread, wake: () => counters.wake(thread) }));
    const watch = new Watch(Infinity, () => []);
    this.#outboxes = threads.map(
      ({ thread, wake }) => new Outbox(ring(client, thread), `thread ${thread} to take`, watch, wake),
    );
    this.#incoming = threads.map(({ thread, wake }) => new Incoming(ring(thread, client), place, wake));
  }

  /** Takes what the threads sent, `most` bytes of each. True where some may be left. */
  read(most: number): boolean {
    return this.#incoming.map((incoming) => incoming.drain(most)).some((left) => left);
  }

  /** Writes what fits. */
  flush(): void {
    for (const outbox of this.#outboxes) outbox.flush();
  }

  /** Delivers to the ranks of this process that are still there. */
  deliver(envelope: Envelope): void {
    const { from, frame } = envelope;
    const here = envelope.to.filter((rank) => this.#own.has(rank) && !this.#counters.closed(rank));
    const homes = new Set(here.map((rank) => this.#job.wiring.home[rank] as number));
    // The message's memory is used again; and between own and shared memory, copies are fast only where both are aligned alike.
    const data = this.#pool.take(frame.data.length);
    data.set(frame.data);
    const sent = [...homes].map((home) => {
      const to = here.filter((rank) => this.#job.wiring.home[rank] === home);
      return this.#outboxes[home]?.send({ ...envelope, to, frame: { ...frame, data } });
    });
    const all = Promise.allSettled([this.#delivered.get(from), ...sent]);
    const given = all.then(() => this.#pool.give(data)); // keeps no results: they would hold all before them
    this.#delivered.set(from, given);
  }

  /** Resolves once all that came from `rank` is in the rings. */
  async delivered(rank: number): Promise<void> {
    await this.#delivered.get(rank);
  }
}
