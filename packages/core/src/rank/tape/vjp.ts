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

/** Keeps the tape of the forward, less the saved tensors that are inputs: they are taken again in backward. */
export const rebind: Vjp = (f, xs) => {
  const { y, nodes, ids } = record(f, xs);
  const holes = unpin(nodes, xs);
  const reverse = new Reverse(nodes, y.id);
  const asked = new Set<number>();
  const idsAt = (at: readonly number[]) => at.map((i) => ids[i]!);
  const linearized: Linearized = {
    y,
    get kept() {
      return bytesBeside(y, [...savedOf(nodes), ...reverse.kept]);
    },
    needs: xs.map((_, i) => holes.some((hole) => hole.x === i)),
    part(dy, again, want) {
      const { now, later } = divide(xs, want, asked);
      const found = filled(holes, again, () => {
        const dxs = reverse.part(dy, idsAt(now), idsAt(later));
        return dxs.map((dx, n) => dx ?? tf.zeros(xs[now[n]!]!.shape));
      });
      return xs.map((_, i) => found[now.indexOf(i)]);
    },
    pullback: (dy, again) => whole(linearized, dy, again),
    drop() {
      tf.dispose(savedOf(nodes));
      reverse.drop();
    },
  };
  return linearized;
};

function whole(linearized: Linearized, dy: Tensor, xs: readonly Tensor[]): (Tensor | undefined)[] {
  try {
    return linearized.part(
      dy,
      xs,
      xs.map(() => true),
    );
  } finally {
    linearized.drop();
  }
}

/**
 * Keeps nothing: the first part of the backward runs the forward again (activation checkpointing: Chen et al., 2016), and from then
 * on keeps what `rebind` does. Refuses a segment that draws random numbers without a seed.
 */
export const recompute: Vjp = (f, xs, name = "without a name") => {
  let again: Linearized | undefined;
  const linearized: Linearized = {
    y: withoutDraws(name, () => tf.tidy(() => f(...xs))),
    get kept() {
      return again?.kept ?? 0;
    },
    needs: xs.map(() => true),
    part(dy, given, want) {
      again ??= rerun(f, given);
      return again.part(dy, given, want);
    },
    pullback: (dy, given) => whole(linearized, dy, given),
    drop: () => again?.drop(),
  };
  return linearized;
};

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
