// One stream, drawn in order and ahead of use. An element may be a function: it is called for the samples that this worker uses, and
// no other, so that what is slow is shared by the workers that divide the batch.
import type { Sample } from "@orthant/core";
import { toValues } from "./sides.ts";

/** Where a stream begins to be drawn. */
export interface Opening {
  /** Counts from 0: a stream that ends is opened once more. */
  readonly epoch: number;
  /** Number of the sample that comes first, counted over all epochs. */
  readonly from: number;
}

/** Elements in order; a generator and the iterator of a tf.data dataset are such. */
export interface Elements {
  next(): Promise<IteratorResult<unknown>>;
  return?(): Promise<unknown>;
}

export interface DrawingOptions {
  open(opening: Opening): Elements | Promise<Elements>;
  /** Samples drawn beyond the last one asked for. */
  readonly ahead: number;
  /** Whether `open` can begin at any sample: those before are not drawn. */
  readonly seek: boolean;
  /** Told of each sample of this worker as soon as it is there, asked for or not. */
  onSample?(index: number, sample: Sample): void;
}

/** A sample's place: its element comes, then the sample is made of it, once. */
class Place {
  readonly #element = Promise.withResolvers<unknown>();
  readonly #onSample: (sample: Sample) => void;
  #sample: Promise<Sample> | undefined;

  constructor(onSample: (sample: Sample) => void) {
    this.#onSample = onSample;
  }

  fill(element: unknown): void {
    this.#element.resolve(element);
  }

  fail(error: unknown): void {
    this.#element.reject(error);
    this.#element.promise.catch(() => {}); // told to whoever asks for the sample
  }

  make(): Promise<Sample> {
    if (this.#sample) return this.#sample;
    this.#sample = this.#element.promise.then(toSample);
    this.#sample.then(this.#onSample).catch(() => {});
    return this.#sample;
  }
}

async function toSample(element: unknown): Promise<Sample> {
  const made = typeof element === "function" ? await element() : element;
  const { input, target, xs, ys } = made as { readonly [side: string]: unknown };
  return { input: await toValues(input ?? xs), target: await toValues(target ?? ys) };
}

/** Draws one stream, and keeps what may be asked for. */
export class Drawing {
  readonly #options: DrawingOptions;
  readonly #places = new Map<number, Place>();
  #elements: Elements | undefined;
  #epoch = 0;
  /** Number of the sample that is drawn next, of the first of this epoch, and of the last to draw for now. */
  #next = 0;
  #began = 0;
  #goal = -1;
  #oldest = 0;
  #batch = 0;
  #drawing = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: DrawingOptions) {
    this.#options = options;
  }

  /** Whether a sample is behind: then the stream must be opened anew. */
  gone(index: number): boolean {
    return index < this.#oldest || (index < this.#next && !this.#places.has(index));
  }

  /** Gives a sample that is not gone. Samples before `oldest` are let go. */
  sample(index: number, oldest: number): Promise<Sample> {
    if (this.#options.seek && this.#goal < 0) this.#next = this.#began = oldest;
    this.#forget(oldest);
    const { ahead } = this.#options;
    this.#goal = Math.max(this.#goal, index + ahead);
    // The same places of later batches are this worker's too.
    for (let later = index + this.#batch; this.#batch && later <= index + ahead; later += this.#batch)
      this.#place(later).make();
    const sample = this.#place(index).make();
    void this.#draw();
    return sample;
  }

  /** Ends a generator that is not drawn to its end. */
  close(): void {
    this.#failure ??= { error: new Error("stream(): closed") };
    void Promise.resolve(this.#elements?.return?.()).catch(() => {});
  }

  #place(index: number): Place {
    const place = this.#places.get(index) ?? new Place((sample) => this.#options.onSample?.(index, sample));
    this.#places.set(index, place);
    if (this.#failure && index >= this.#next) place.fail(this.#failure.error);
    return place;
  }

  /** Lets go of what nobody asks for again. `oldest` moves by a batch, a step at a time. */
  #forget(oldest: number): void {
    if (oldest <= this.#oldest) return;
    if (this.#goal >= 0) this.#batch = oldest - this.#oldest;
    this.#oldest = oldest;
    for (const index of this.#places.keys()) if (index < oldest) this.#places.delete(index);
  }

  async #draw(): Promise<void> {
    if (this.#drawing || this.#failure) return;
    this.#drawing = true;
    try {
      while (this.#next <= this.#goal) {
        const element = await this.#element();
        this.#keep(this.#next++, element);
      }
    } catch (error) {
      this.#failure ??= { error };
      for (const [index, place] of this.#places) if (index >= this.#next) place.fail(error);
    }
    this.#drawing = false;
  }

  /** Keeps an element; what is no function costs nothing to make, and whoever's it is, its tensors are freed. */
  #keep(index: number, element: unknown): void {
    const place = index >= this.#oldest ? this.#place(index) : new Place(() => {});
    place.fill(element);
    if (typeof element !== "function") place.make();
  }

  async #element(): Promise<unknown> {
    this.#elements ??= await this.#options.open({ epoch: this.#epoch, from: this.#next });
    const { done, value } = await this.#elements.next();
    if (!done) return value;
    if (this.#next === this.#began)
      throw new Error(`stream(): epoch ${this.#epoch} has no samples from ${this.#began} on`);
    this.#epoch++;
    this.#began = this.#next;
    this.#elements = undefined;
    return this.#element();
  }
}
