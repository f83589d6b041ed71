// The whole contract between this library and tfjs: one synchronous vector-Jacobian product of one segment.
// Engine internals are touched here and nowhere else.

import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";

export type Fn = (...xs: Tensor[]) => Tensor;

export interface Linearized {
  readonly y: Tensor;
  /** Bytes kept for the pullback beside inputs and output. */
  readonly kept: number;
  /** Which inputs the pullback will read: the others may be freed. */
  readonly needs: readonly boolean[];
  /**
   * The gradient of each input; undefined for an input that is not float32. The inputs are handed over again because
   * a sharded parameter is freed between forward and backward. Runs once; neither `dy` nor `xs` is disposed.
   */
  pullback(dy: Tensor, xs: readonly Tensor[]): (Tensor | undefined)[];
  /** Frees what is kept when no pullback will come. */
  drop(): void;
}

export type Vjp = (f: Fn, xs: readonly Tensor[]) => Linearized;

/** One operation on tfjs's tape. */
interface Node {
  readonly inputs: Record<string, Tensor>;
  readonly outputs: readonly Tensor[];
  readonly gradient?: (dys: (Tensor | undefined)[]) => Record<string, () => Tensor>;
  saved?: (Tensor | undefined)[];
}

interface TapeEngine {
  startTape(): void;
  endTape(): void;
  readonly state: { activeTape: Node[] | null };
}

/** Runs `f` with the tape open. */
function record(f: Fn, xs: readonly Tensor[]): { y: Tensor; nodes: Node[] } {
  const engine = tf.engine() as unknown as TapeEngine;
  engine.startTape();
  try {
    const y = tf.tidy(() => f(...xs));
    return { y, nodes: engine.state.activeTape ?? [] };
  } finally {
    engine.endTape();
    engine.state.activeTape = null;
  }
}

/** Ids of the tensors that depend on an input and lead to `y`. */
function onPath(nodes: readonly Node[], xs: readonly Tensor[], y: Tensor): Set<number> {
  const fromX = new Set(xs.filter((x) => x.dtype === "float32").map((x) => x.id));
  for (const { inputs, outputs } of nodes)
    if (Object.values(inputs).some((t) => fromX.has(t.id))) for (const t of outputs) fromX.add(t.id);
  const path = new Set([y.id]);
  for (const { inputs, outputs } of nodes.toReversed())
    if (outputs.some((t) => path.has(t.id))) for (const t of Object.values(inputs)) if (fromX.has(t.id)) path.add(t.id);
  return path;
}

/** Reverse accumulation over the tape. */
function backpropagate(nodes: readonly Node[], path: ReadonlySet<number>, grads: Map<number, Tensor>): void {
  for (const node of nodes.toReversed()) {
    const dys = node.outputs.map((t) => grads.get(t.id));
    const wanted = Object.entries(node.inputs).filter(([, t]) => path.has(t.id));
    if (!wanted.length || dys.every((dy) => !dy)) continue;
    if (!node.gradient) throw new Error("an operation of this segment has no gradient in tfjs");
    const thunks = node.gradient(dys);
    for (const [name, t] of wanted) {
      const dx = thunks[name]!();
      const seen = grads.get(t.id);
      grads.set(t.id, seen ? tf.add(seen, dx) : dx);
    }
  }
}

/** Takes out of the tape what the caller will hand over again, and says how to put it back. */
function unpin(nodes: readonly Node[], xs: readonly Tensor[]) {
  const holes: { saved: (Tensor | undefined)[]; i: number; x: number; shape: number[] }[] = [];
  for (const { saved } of nodes)
    saved?.forEach((t, i) => {
      const x = xs.findIndex((x) => x.dataId === t!.dataId);
      if (x < 0) return;
      holes.push({ saved, i, x, shape: t!.shape });
      t!.dispose();
      saved[i] = undefined;
    });
  return holes;
}

const savedOf = (nodes: readonly Node[]) => nodes.flatMap((n) => n.saved ?? []).filter((t) => t !== undefined);

function keptBytes(nodes: readonly Node[], y: Tensor): number {
  const sizes = new Map(savedOf(nodes).map((t) => [t.dataId, t.size * tf.util.bytesPerElement(t.dtype)]));
  sizes.delete(y.dataId);
  return [...sizes.values()].reduce((sum, n) => sum + n, 0);
}

/** Keeps the tape of the forward, less the saved tensors that are inputs: they are taken again at pullback. */
export const rebind: Vjp = (f, xs) => {
  const { y, nodes } = record(f, xs);
  const path = onPath(nodes, xs, y);
  const holes = unpin(nodes, xs);
  const drop = () => tf.dispose(savedOf(nodes));
  return {
    y,
    kept: keptBytes(nodes, y),
    needs: xs.map((_, i) => holes.some((hole) => hole.x === i)),
    drop,
    pullback(dy, again) {
      const wanted = xs.filter((x) => x.dtype === "float32");
      const dxs = tf.tidy(() => {
        for (const { saved, i, x, shape } of holes) saved[i] = again[x]!.reshape(shape);
        const grads = new Map([[y.id, dy]]);
        backpropagate(nodes, path, grads);
        return wanted.map((x) => grads.get(x.id)?.clone() ?? tf.zeros(x.shape));
      });
      drop();
      return xs.map((x) => dxs[wanted.indexOf(x)]);
    },
  };
};

/** Keeps nothing: the pullback runs the forward again (activation checkpointing: Chen et al., 2016). */
export const recompute: Vjp = (f, xs) => ({
  y: tf.tidy(() => f(...xs)),
  kept: 0,
  needs: xs.map(() => true),
  drop: () => {},
  pullback(dy, again) {
    const { y, pullback } = rebind(f, again);
    y.dispose();
    return pullback(dy, again);
  },
});

/** No gradient at all: for sampling and evaluation. */
export const forwardOnly: Vjp = (f, xs) => ({
  y: tf.tidy(() => f(...xs)),
  kept: 0,
  needs: xs.map(() => false),
  drop: () => {},
  pullback() {
    throw new Error("this tape ran forward only: it has no gradients");
  },
});
