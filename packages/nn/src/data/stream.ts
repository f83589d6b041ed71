// Samples that come one after the other, from an asynchronous generator or a tf.data dataset, drawn ahead of their use. Each worker
// draws the stream for itself; what is slow about a sample may be left to the worker that uses it.
import type { Data, Field } from "@orthant/core";
import { Apart } from "./apart.ts";
import { Drawing, type Elements, type Opening } from "./drawing.ts";
import type { Side } from "./sides.ts";

/** Which pass over the stream is asked for. */
export interface Pass {
  /** The run's seed. */
  readonly seed: number;
  /** Counts from 0: a stream that ends is opened once more. */
  readonly epoch: number;
  /** Number of the sample that comes first, counted over all epochs. Only with `seek` may it lie within an epoch. */
  readonly from: number;
}

/** The two sides of a sample; `xs` and `ys` are tf.data's words. */
export type Sides = { readonly input: Side; readonly target: Side } | { readonly xs: Side; readonly ys: Side };

/** An element of a stream: a sample, or a function that makes it, called in the workers that use the sample. */
export type Element = Sides | (() => Sides | Promise<Sides>);

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
  /** Says that the source begins at sample `from` by itself, so that a run that goes on draws none of those before. */
  readonly seek?: boolean;
}

/** What a stream is drawn from: a function that opens a generator, a dataset, or a module whose default export is such a function. */
export type StreamSource = ((pass: Pass) => AsyncIterable<Element>) | Dataset | URL;

function checkSource(source: StreamSource, { ahead = 0, seek }: StreamOptions): void {
  const opens = typeof source === "function" || source instanceof URL;
  if (!opens && typeof source?.iterator !== "function")
    throw new Error(
      "stream(): give a function that opens an asynchronous generator, a URL of a module, or a tf.data dataset",
    );
  if (!Number.isInteger(ahead) || ahead < 0) throw new Error(`stream({ ahead: ${ahead} }): give a whole number from 0`);
  if (seek && !opens)
    throw new Error("stream({ seek }): a tf.data dataset always begins with its first element; give a generator");
}

/** Starts to draw, in this thread or in one of its own. */
function drawingOf(source: StreamSource, seed: number, ahead: number, seek: boolean): Drawing | Apart {
  if (source instanceof URL) return new Apart({ module: source.href, seed, ahead, seek });
  const open = async (opening: Opening): Promise<Elements> =>
    typeof source === "function" ? source({ seed, ...opening })[Symbol.asyncIterator]() : source.iterator();
  return new Drawing({ open, ahead, seek });
}

/**
 * Samples from `source`: a function that opens an asynchronous generator for each epoch, a `tf.data.Dataset`, or the URL of a module
 * whose default export is such a function: that one is drawn in a thread of its own, while this one computes. Sample 0 is the first
 * element, and so on, on every mesh, so the stream must give every worker the same. Draws `ahead` samples beyond those asked for;
 * without a URL, whenever the thread waits. An element that is a function is called only where its sample is used. A run that goes on
 * from a checkpoint draws the samples before it and drops them, or with `seek` begins there. An error in the generator ends the run
 * when its sample is reached.
 */
export function stream(source: StreamSource, options: StreamOptions): Data {
  const { input, target, tokens = 1, ahead = 256, seek = false } = options;
  checkSource(source, options);
  const drawings = new Map<number, Drawing | Apart>();
  return {
    input,
    target,
    tokens,
    sample(index, seed, oldest = 0) {
      const known = drawings.get(seed);
      const again = known?.gone(index); // another run of the same script
      if (again) known!.close();
      const drawing = known && !again ? known : drawingOf(source, seed, ahead, seek);
      drawings.set(seed, drawing);
      return drawing.sample(index, oldest);
    },
  };
}
