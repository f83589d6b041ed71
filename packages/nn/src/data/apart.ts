// A stream drawn in a thread of its own, which goes on while the ranks of this one compute. `apart-thread.ts` is that thread.
import { Worker } from "node:worker_threads";
import type { Sample } from "@orthant/core";

/** Which stream the other thread draws. */
export interface Order {
  readonly module: string;
  readonly seed: number;
  readonly ahead: number;
  readonly seek: boolean;
}

/** What the other thread is asked for; samples that it sees coming it sends unasked. */
export interface Request {
  readonly index: number;
  readonly oldest: number;
}

/** What the other thread sends: a sample, or why there is none. */
export type Sent =
  | { readonly index: number; readonly sample: Sample }
  | { readonly index: number; readonly error: string };

/** Samples by number, which another thread makes. The process may end while none is waited for. */
export class Apart {
  readonly #worker: Worker;
  readonly #module: string;
  readonly #places = new Map<number, PromiseWithResolvers<Sample>>();
  #waiting = 0;
  #oldest = 0;
  #failure: Error | undefined;

  constructor(order: Order) {
    this.#module = order.module;
    this.#worker = new Worker(new URL("./apart-thread.ts", import.meta.url), { workerData: order, execArgv: [] });
    this.#worker.on("message", (sent: Sent) => this.#take(sent));
    this.#worker.on("error", (error) => this.#fail(String(error.message)));
    this.#worker.on("exit", () => this.#fail("its thread ended"));
    this.#worker.unref();
  }

  gone(index: number): boolean {
    return index < this.#oldest;
  }

  async sample(index: number, oldest: number): Promise<Sample> {
    this.#oldest = Math.max(this.#oldest, oldest);
    for (const old of this.#places.keys()) if (old < this.#oldest) this.#places.delete(old);
    this.#worker.postMessage({ index, oldest } satisfies Request);
    if (this.#waiting++ === 0) this.#worker.ref();
    try {
      return await this.#place(index).promise;
    } finally {
      if (--this.#waiting === 0) this.#worker.unref();
    }
  }

  close(): void {
    void this.#worker.terminate();
  }

  #place(index: number): PromiseWithResolvers<Sample> {
    const place = this.#places.get(index) ?? Promise.withResolvers<Sample>();
    this.#places.set(index, place);
    if (this.#failure) place.reject(this.#failure);
    return place;
  }

  #take(sent: Sent): void {
    if (sent.index < this.#oldest) return;
    if ("sample" in sent) this.#place(sent.index).resolve(sent.sample);
    else this.#place(sent.index).reject(this.#told(sent.error));
  }

  #told(why: string): Error {
    return new Error(`stream("${this.#module}"): ${why}`);
  }

  #fail(why: string): void {
    this.#failure ??= this.#told(why);
    for (const { promise, reject } of this.#places.values()) {
      promise.catch(() => {});
      reject(this.#failure);
    }
  }
}
