// One rank's letter box: frames that arrived and receivers that wait meet here by (sender, key), in any order.
// Not an endpoint: a transport delivers into it.
import { ClosedError } from "../errors.ts";
import type { Frame } from "./endpoint.ts";
import type { Wait, Watch } from "./watch.ts";

interface Waiting extends Wait {
  readonly from: number;
  readonly resolve: (frame: Frame) => void;
}

interface Arrival {
  readonly from: number;
  readonly key: string;
  readonly frame: Frame;
  /** The key came again before it was received: whoever asks is told. */
  twice: boolean;
}

const idOf = (from: number, key: string): string => `${from} ${key}`;

export const twiceError = (from: number, to: number, key: string): Error =>
  new Error(`rank ${from} sent "${key}" to rank ${to} twice before it was received: give each message its own key`);

export class Inbox {
  readonly rank: number;
  readonly #watch: Watch;
  readonly #onWaits: (change: 1 | -1) => void;
  readonly #arrived = new Map<string, Arrival>();
  readonly #waits = new Map<string, Waiting>();
  readonly #gone = new Set<number>();

  /** `onWaits` hears each wait begin (1) and end (-1). */
  constructor(rank: number, watch: Watch, onWaits: (change: 1 | -1) => void = () => {}) {
    this.rank = rank;
    this.#watch = watch;
    this.#onWaits = onWaits;
  }

  /** Takes the frame under (from, key), now or when it arrives. Rejects where `from` or this rank is closed. */
  recv(from: number, key: string): Promise<Frame> {
    const id = idOf(from, key);
    const arrival = this.#arrived.get(id);
    if (arrival && !this.closed) {
      this.#arrived.delete(id);
      return arrival.twice ? Promise.reject(twiceError(from, this.rank, key)) : Promise.resolve(arrival.frame);
    }
    const refusal = this.#refusal(from, key);
    return refusal ? Promise.reject(refusal) : this.#wait(from, key);
  }

  /** Hands a frame in. False where the same key from the same sender is still here; the frame is then dropped. */
  deliver(from: number, key: string, frame: Frame): boolean {
    if (this.closed) return true;
    const id = idOf(from, key);
    const waiting = this.#waits.get(id);
    const earlier = this.#arrived.get(id);
    if (waiting) this.#end(waiting).resolve(frame);
    else if (earlier) earlier.twice = true;
    else this.#arrived.set(id, { from, key, frame, twice: false });
    return earlier === undefined;
  }

  /** Whether such a frame is here. */
  holds(from: number, key: string): boolean {
    return this.#arrived.has(idOf(from, key));
  }

  /** Hears that `rank` will send nothing more; what arrived from it can still be received. */
  peerClosed(rank: number): void {
    this.#gone.add(rank);
    for (const wait of this.#waits.values()) if (wait.from === rank) wait.reject(this.#goneError(wait.from, wait.key));
  }

  close(): void {
    this.#gone.add(this.rank);
    for (const wait of this.#waits.values()) wait.reject(new ClosedError(this.rank));
    this.#arrived.clear();
  }

  get closed(): boolean {
    return this.#gone.has(this.rank);
  }

  /** Lists what arrived and nobody asked for, for messages. */
  unclaimed(): string[] {
    return [...this.#arrived.values()].map(({ from, key }) => `rank ${this.rank} from rank ${from}: "${key}"`);
  }

  #wait(from: number, key: string): Promise<Frame> {
    return new Promise((resolve, fail) => {
      const what = `rank ${from}: "${key}"`;
      const reject = (error: Error): void => {
        this.#end(waiting);
        fail(error);
      };
      const waiting: Waiting = { rank: this.rank, what, from, key, resolve, reject };
      this.#waits.set(idOf(from, key), waiting);
      this.#watch.begin(waiting);
      this.#onWaits(1);
    });
  }

  #end(waiting: Waiting): Waiting {
    this.#waits.delete(idOf(waiting.from, waiting.key));
    this.#watch.end(waiting);
    this.#onWaits(-1);
    return waiting;
  }

  #refusal(from: number, key: string): Error | undefined {
    if (this.closed) return new ClosedError(this.rank);
    if (this.#gone.has(from)) return this.#goneError(from, key);
    if (this.#waits.has(idOf(from, key)))
      return new Error(`rank ${this.rank} already waits for rank ${from}: "${key}": one receiver a message`);
    return undefined;
  }

  #goneError(from: number, key: string): Error {
    return new ClosedError(from, `rank ${this.rank} waits for rank ${from}, which is closed: "${key}"`);
  }
}
