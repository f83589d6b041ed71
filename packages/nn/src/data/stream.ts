// Samples that come one after the other, from an asynchronous generator or a tf.data dataset, drawn ahead of their use. Each worker
// draws the stream for itself, and of each sample only the ranks whose it is make a tensor.
import type { Data, Field, Sample, Values } from "@orthant/core";

/** Which pass over the stream is asked for. */
export interface Pass {
  readonly seed: number;
  /** Counts from 0: a stream that ends is drawn once more. */
  readonly epoch: number;
}

/** Numbers of one side: typed arrays, or a tensor, which is read and freed. */
export type Side = Values | { data(): Promise<unknown>; dispose(): void };
/** One element of a stream; `xs` and `ys` are tf.data's words. */
export type Element = { readonly input: Side; readonly target: Side } | { readonly xs: Side; readonly ys: Side };

/** A `tf.data.Dataset`, as far as it is used here. */
export interface Dataset {
  iterator(): Promise<{ next(): Promise<IteratorResult<unknown>> }>;
}

export interface StreamOptions {
  readonly input: Field;
  readonly target: Field;
  /** Terms that a sample adds to the loss; 1 by default. */
  readonly tokens?: number;
  /** Samples drawn beyond the last one asked for; 256 by default. */
  readonly ahead?: number;
}

type Drawn = AsyncIterator<unknown> | Awaited<ReturnType<Dataset["iterator"]>>;

async function toValues(side: Side | undefined): Promise<Values> {
  if (!side || !("dataId" in side)) return side as Values; // what is no numbers is refused when it is read
  const values = (await (side as Exclude<Side, Values>).data()) as Values;
  (side as Exclude<Side, Values>).dispose();
  return values;
}

async function toSample(element: unknown): Promise<Sample> {
  const { input, target, xs, ys } = element as { readonly [side: string]: Side | undefined };
  return { input: await toValues(input ?? xs), target: await toValues(target ?? ys) };
}

/** Draws one stream in order, and keeps what may be asked for. */
class Drawing {
  readonly #open: (epoch: number) => Promise<Drawn>;
  readonly #ahead: number;
  readonly #samples = new Map<number, Promise<Sample>>();
  #drawn: Drawn | undefined;
  #epoch = 0;
  /** Number of the sample that is drawn next, and of the first of this epoch. */
  #next = 0;
  #began = 0;
  #oldest = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(open: (epoch: number) => Promise<Drawn>, ahead: number) {
    this.#open = open;
    this.#ahead = ahead;
  }

  sample(index: number, oldest: number): Promise<Sample> {
    for (; this.#oldest < oldest; this.#oldest++) this.#samples.delete(this.#oldest);
    while (this.#next <= index + this.#ahead) this.#draw(this.#next++);
    const sample = this.#samples.get(index);
    return (
      sample ?? Promise.reject(new Error(`stream(): sample ${index} is gone: samples are asked for in order of steps`))
    );
  }

  #draw(index: number): void {
    const sample = this.#last.then(() => this.#one(index));
    sample.catch(() => {}); // told to whoever asks for it
    this.#last = sample;
    if (index >= this.#oldest) this.#samples.set(index, sample);
  }

  async #one(index: number): Promise<Sample> {
    this.#drawn ??= await this.#open(this.#epoch);
    const { done, value } = await this.#drawn.next();
    if (!done) return toSample(value);
    if (index === this.#began) throw new Error(`stream(): epoch ${this.#epoch} has no samples`);
    this.#epoch++;
    this.#began = index;
    this.#drawn = undefined;
    return this.#one(index);
  }
}

/**
 * Samples from `source`: a function that opens an asynchronous generator for each epoch, or a `tf.data.Dataset`. Sample 0 is the first
 * element, and so on, on every mesh, so the stream must give every worker the same. Draws `ahead` samples beyond those asked for,
 * while the thread waits. An error in the generator ends the run when its sample is reached.
 */
export function stream(source: ((pass: Pass) => AsyncIterable<Element>) | Dataset, options: StreamOptions): Data {
  const { input, target, tokens = 1, ahead = 256 } = options;
  if (typeof source !== "function" && typeof source?.iterator !== "function")
    throw new Error("stream(): give a function that opens an asynchronous generator, or a tf.data dataset");
  if (!Number.isInteger(ahead) || ahead < 0) throw new Error(`stream({ ahead: ${ahead} }): give a whole number from 0`);
  const drawings = new Map<number, Drawing>();
  const open = (seed: number) => async (epoch: number) =>
    typeof source === "function" ? source({ seed, epoch })[Symbol.asyncIterator]() : source.iterator();
  return {
    input,
    target,
    tokens,
    sample(index, seed, oldest = 0) {
      const drawing = drawings.get(seed) ?? new Drawing(open(seed), ahead);
      drawings.set(seed, drawing);
      return drawing.sample(index, oldest);
    },
  };
}
