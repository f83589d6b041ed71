// The whole contract between this library and tfjs: one synchronous vector-Jacobian product of one segment.
// Engine internals are touched here, in `reverse.ts` and in `differentiable.ts`, and nowhere else.

import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import { view } from "../../devices/view.ts";
import { tensorBytes } from "../../meter.ts";
import type { Recording } from "../../model/differentiable.ts";
import { withoutDraws } from "../../params/without-draws.ts";
import { Reverse, type TapeNode } from "./reverse.ts";

export type Fn = (...xs: Tensor[]) => Tensor;

/** A segment that ran forward, and its way back. */
export interface Linearized {
  readonly y: Tensor;
  /** Bytes kept for the backward beside inputs and output: at present, so between its halves more than before the first. */
  readonly kept: number;
  /** Tells which inputs some part of the backward reads: the others may be freed. */
  readonly needs: readonly boolean[];
  /**
   * Gradients of the inputs named by `want`; undefined for the others and for what is not float32. Call it again for other inputs:
   * each may be asked for once, what two parts share is computed once, and the sums are those of one part that wants all. `dy` is
   * that of the first call and may be freed after it. The inputs are handed over again because a sharded parameter is freed between
   * forward and backward. Neither `dy` nor `xs` is disposed.
   */
  part(dy: Tensor, xs: readonly Tensor[], want: readonly boolean[]): (Tensor | undefined)[];
  /** Gradients of all inputs in one part, after which nothing is kept. */
  pullback(dy: Tensor, xs: readonly Tensor[]): (Tensor | undefined)[];
  /** Frees what is kept: after the last part, or when none will come. */
  drop(): void;
}

/** Runs `f` forward and keeps its way back; `name` is for messages. */
export type Vjp = (f: Fn, xs: readonly Tensor[], name?: string) => Linearized;

interface TapeEngine {
  startTape(): void;
  endTape(): void;
  readonly state: { activeTape: (TapeNode[] & Recording) | null };
}

/** Runs `f` with the tape open; `ids` are those under which the tape knows the inputs. */
function record(f: Fn, xs: readonly Tensor[]): { y: Tensor; nodes: TapeNode[]; ids: number[] } {
  const engine = tf.engine() as unknown as TapeEngine;
  const twice = xs.map((x, i) => (xs.indexOf(x) < i ? x.clone() : undefined)); // one tensor at two places has two gradients
  const distinct = xs.map((x, i) => twice[i] ?? x);
  engine.startTape();
  const nodes = engine.state.activeTape!;
  nodes.lent = xs;
  try {
    const y = tf.tidy(() => f(...distinct));
    return { y, nodes, ids: distinct.map(({ id }) => id) };
  } catch (cause) {
    unpin(nodes, xs);
    tf.dispose(savedOf(nodes));
    throw cause;
  } finally {
    engine.endTape();
    engine.state.activeTape = null;
    for (const x of twice) x?.dispose();
  }
}

/** A place in what a node saved that holds an input. */
interface Hole {
  readonly saved: (Tensor | undefined)[];
  readonly i: number;
  readonly x: number;
  readonly shape: number[];
}

/** Takes out of the tape what the caller will hand over again, and says how to put it back. */
function unpin(nodes: readonly TapeNode[], xs: readonly Tensor[]): Hole[] {
  const holes: Hole[] = [];
  for (const { saved } of nodes)
    saved?.forEach((t, i) => {
      const x = xs.findIndex((x) => x.dataId === t!.dataId);
      if (x < 0) return;
      holes.push({ saved, i, x, shape: t!.shape });
      if (!xs.includes(t!)) t!.dispose();
      saved[i] = undefined;
    });
  return holes;
}

const sameShape = (x: Tensor, shape: readonly number[]): boolean =>
  x.shape.length === shape.length && x.shape.every((n, d) => n === shape[d]);

/** Runs `use` with the inputs back in place. */
function filled<T extends tf.TensorContainer>(holes: readonly Hole[], xs: readonly Tensor[], use: () => T): T {
  return tf.tidy(() => {
    for (const { saved, i, x, shape } of holes) saved[i] = sameShape(xs[x]!, shape) ? xs[x]! : view(xs[x]!, shape);
    try {
      return use();
    } finally {
      for (const { saved, i } of holes) saved[i] = undefined;
    }
  });
}

function savedOf(nodes: readonly TapeNode[]): Tensor[] {
  const all: Tensor[] = [];
  for (const { saved = [] } of nodes) for (const t of saved) if (t) all.push(t);
  return all;
}

/** Bytes of distinct buffers, but for that of `y`. */
function bytesBeside(y: Tensor, kept: readonly Tensor[]): number {
  const seen = new Set<object>([y.dataId]);
  let bytes = 0;
  for (const t of kept) {
    if (!seen.has(t.dataId)) bytes += tensorBytes(t);
    seen.add(t.dataId);
  }
  return bytes;
}

/** Names the inputs to ask for now, once each, and those left for later. */
function divide(xs: readonly Tensor[], want: readonly boolean[], asked: Set<number>) {
  const [now, later]: [number[], number[]] = [[], []];
  for (const [i, { dtype }] of xs.entries()) {
    if (dtype !== "float32") continue;
    if (want[i] && asked.has(i)) throw new Error(`the gradient of input ${i} was given already: ask for each once`);
    if (want[i]) now.push(i);
    else if (!asked.has(i)) later.push(i);
  }
  for (const i of now) asked.add(i);
  return { now, later };
}

/**
 * What `rebind` and `recompute` return. Classes: V8 makes a hidden class of its own for each object literal with a getter, which holds
 * what the getter sees, the whole tape of a step, until the next full collection.
 */
abstract class Kept implements Linearized {
  abstract readonly y: Tensor;
  abstract readonly kept: number;
  abstract readonly needs: readonly boolean[];
  abstract part(dy: Tensor, xs: readonly Tensor[], want: readonly boolean[]): (Tensor | undefined)[];
  abstract drop(): void;

  pullback = (dy: Tensor, xs: readonly Tensor[]): (Tensor | undefined)[] => {
    try {
      return this.part(
        dy,
        xs,
        xs.map(() => true),
      );
    } finally {
      this.drop();
    }
  };
}

class Rebound extends Kept {
  readonly y: Tensor;
  readonly needs: readonly boolean[];
  readonly #nodes: readonly TapeNode[];
  readonly #ids: readonly number[];
  readonly #holes: readonly Hole[];
  readonly #reverse: Reverse;
  readonly #asked = new Set<number>();

  constructor(f: Fn, xs: readonly Tensor[]) {
    super();
    const { y, nodes, ids } = record(f, xs);
    this.y = y;
    this.#nodes = nodes;
    this.#ids = ids;
    this.#holes = unpin(nodes, xs);
    this.#reverse = new Reverse(nodes, y.id);
    this.needs = xs.map((_, i) => this.#holes.some((hole) => hole.x === i));
  }

  get kept(): number {
    return bytesBeside(this.y, [...savedOf(this.#nodes), ...this.#reverse.kept]);
  }

  part = (dy: Tensor, again: readonly Tensor[], want: readonly boolean[]): (Tensor | undefined)[] => {
    const { now, later } = divide(again, want, this.#asked);
    const idsAt = (at: readonly number[]) => at.map((i) => this.#ids[i]!);
    const found = filled(this.#holes, again, () => {
      const dxs = this.#reverse.part(dy, idsAt(now), idsAt(later));
      return dxs.map((dx, n) => dx ?? tf.zeros(again[now[n]!]!.shape));
    });
    return again.map((_, i) => found[now.indexOf(i)]);
  };

  drop = (): void => {
    for (const t of savedOf(this.#nodes)) t.dispose();
    this.#reverse.drop();
  };
}

class Recomputed extends Kept {
  readonly y: Tensor;
  readonly needs: readonly boolean[];
  readonly #f: Fn;
  #again: Linearized | undefined;

  constructor(f: Fn, xs: readonly Tensor[], name: string) {
    super();
    this.#f = f;
    this.y = withoutDraws(name, () => tf.tidy(() => f(...xs)));
    this.needs = xs.map(() => true);
  }

  get kept(): number {
    return this.#again?.kept ?? 0;
  }

  part = (dy: Tensor, given: readonly Tensor[], want: readonly boolean[]): (Tensor | undefined)[] => {
    this.#again ??= rerun(this.#f, given);
    return this.#again.part(dy, given, want);
  };

  drop = (): void => this.#again?.drop();
}

/** Keeps the tape of the forward, less the saved tensors that are inputs: they are taken again in backward. */
export const rebind: Vjp = (f, xs) => new Rebound(f, xs);

/**
 * Keeps nothing: the first part of the backward runs the forward again (activation checkpointing: Chen et al., 2016), and from then
 * on keeps what `rebind` does. Refuses a segment that draws random numbers without a seed.
 */
export const recompute: Vjp = (f, xs, name = "without a name") => new Recomputed(f, xs, name);

function rerun(f: Fn, xs: readonly Tensor[]): Linearized {
  const again = rebind(f, xs);
  again.y.dispose();
  return again;
}

function refuse(): never {
  throw new Error("this tape ran forward only: it has no gradients");
}

/** No gradient at all: for sampling and evaluation. */
export const forwardOnly: Vjp = (f, xs) => ({
  y: tf.tidy(() => f(...xs)),
  kept: 0,
  needs: xs.map(() => false),
  part: refuse,
  pullback: refuse,
  drop: () => {},
});
