// Sums of products by their indices (Einstein 1916), of one or two tensors, as one matrix product: tfjs has no such kernel on wasm.
// Indices are of four kinds: in both and kept (batch), in both and summed (shared), in the left alone, in the right alone.
import * as tf from "@tensorflow/tfjs";
import type { Replacement } from "./replacement.ts";

/** A tensor whose dims have names, by number. */
interface Named {
  readonly x: tf.Tensor;
  readonly dims: readonly number[];
}

/** Sums over the dims that are not in `kept`. */
function reduced({ x, dims }: Named, kept: readonly number[]): Named {
  const axes = dims.flatMap((dim, i) => (kept.includes(dim) ? [] : [i]));
  return axes.length ? { x: x.sum(axes), dims: dims.filter((dim) => kept.includes(dim)) } : { x, dims };
}

const ordered = ({ x, dims }: Named, order: readonly number[]): tf.Tensor =>
  order.length > 1
    ? tf.transpose(
        x,
        order.map((dim) => dims.indexOf(dim)),
      )
    : x;

/** Both as batches of matrices, `[batch, left, shared] [batch, shared, right]`, and their product in named dims. */
function multiplied(a: Named, b: Named, out: readonly number[]): Named {
  const both = a.dims.filter((dim) => b.dims.includes(dim));
  const [batch, shared] = [both.filter((dim) => out.includes(dim)), both.filter((dim) => !out.includes(dim))];
  const [left, right] = [a, b].map(({ dims }) => dims.filter((dim) => !both.includes(dim))) as [number[], number[]];
  const size = (dims: readonly number[], { x, dims: all }: Named): number =>
    dims.reduce((n, dim) => n * x.shape[all.indexOf(dim)]!, 1);
  const sizes = [...batch, ...left].map((dim) => size([dim], a));
  const x = ordered(a, [...batch, ...left, ...shared]).reshape([size(batch, a), size(left, a), size(shared, a)]);
  const y = ordered(b, [...batch, ...shared, ...right]).reshape([size(batch, b), size(shared, b), size(right, b)]);
  const product = tf.matMul(x, y).reshape([...sizes, ...right.map((dim) => size([dim], b))]);
  return { x: product, dims: [...batch, ...left, ...right] };
}

/** Refuses what tfjs's other backends refuse, in their words. */
export const einsum: Replacement = (inputs, { equation }) => {
  const tensors = Object.values(inputs);
  const { allDims, summedDims, idDims } = tf.backend_util.decodeEinsumEquation(equation as string, tensors.length);
  tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, tensors);
  const out = allDims.flatMap((_, dim) => (summedDims.includes(dim) ? [] : [dim]));
  return tf.tidy(() => {
    const [a, b] = tensors.map((x, i): Named => ({ x, dims: idDims[i]! }));
    if (!a || !b) return ordered(reduced((a ?? b)!, out), out).clone();
    const [left, right] = [reduced(a, [...out, ...b.dims]), reduced(b, [...out, ...a.dims])];
    return ordered(multiplied(left, right, out), out).clone();
  });
};
