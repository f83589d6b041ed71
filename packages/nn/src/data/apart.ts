// A stream drawn in a thread of its own, which goes on while the ranks of this one compute. `apart-thread.ts` is that thread.
import { Worker } from "node:worker_threads";

/** What the other thread sends: an element, the end of an epoch, or why it can go on no more. */
export type Sent = IteratorResult<unknown, undefined> | { readonly error: string };

/** What the other thread is told: which stream it is, and how many results it may send before any is taken. */
export interface Order {
  readonly module: string;
  readonly seed: number;
  readonly ahead: number;
}

interface Waiting {
  resolve(result: IteratorResult<unknown>): void;
  reject(error: Error): void;
}

/** Results in order. The process may end while none is waited for. */
export class Apart {
  readonly #worker: Worker;
  readonly #arrived: IteratorResult<unknown>[] = [];
  readonly #waiting: Waiting[] = [];
  readonly #module: string;
  #failure: Error | undefined;

  constructor(order: Order) {
    this.#module = order.module;
    this.#worker = new Worker(new URL("./apart-thread.ts", import.meta.url), { workerData: order, execArgv: [] });
    this.#worker.on("message", (sent: Sent) => this.#take(sent));
    this.#worker.on("error", (error) => this.#fail(String(error.message)));
    this.#worker.on("exit", () => this.#fail("its thread ended"));
    this.#worker.unref();
  }

  #take(sent: Sent): void {
    const waiting = "error" in sent ? undefined : this.#waiting.shift();
    if ("error" in sent) this.#fail(sent.error);
    else if (waiting) this.#hand(sent, waiting);
    else this.#arrived.push(sent);
  }

  #hand(result: IteratorResult<unknown>, { resolve }: Waiting): void {
    this.#worker.postMessage("taken");
    if (!this.#waiting.length) this.#worker.unref();
    resolve(result);
  }

  #fail(why: string): void {
    this.#failure ??= new Error(`stream("${this.#module}"): ${why}`);
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }

  next(): Promise<IteratorResult<unknown>> {
    return new Promise((resolve, reject) => {
      const result = this.#arrived.shift();
      if (result) this.#hand(result, { resolve, reject });
      else if (this.#failure) reject(this.#failure);
      else {
        this.#worker.ref();
        this.#waiting.push({ resolve, reject });
      }
    });
  }
}
