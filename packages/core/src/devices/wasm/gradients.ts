// Fast gradients for any tfjs code on the wasm backend: kernels that stock gradients call, replaced by faster ones or
// supplied where missing. Other backends are not touched, since a kernel belongs to one backend.
import * as tf from "@tensorflow/tfjs";
import { columnSums, products, transposed } from "./matmul.ts";
import { sumIntoRows } from "./rows.ts";

const backendName = "wasm";

type Result = ReturnType<tf.KernelFunc>;
type Inputs = Record<string, tf.Tensor>;
/** Computes what the stock kernel would, or calls `stock` where that is as fast. */
type Kernel = (inputs: Inputs, attrs: Record<string, unknown>, stock: () => Result) => Result;

/** Runs for every tensor that a gradient saves: the same memory, counted, where the stock kernel copies it. */
const identity: Kernel = ({ x }) => {
  const { dataId, shape, dtype } = x!;
  tf.backend().incRef(dataId);
  return { dataId, shape, dtype };
};

const matrices = (x: tf.Tensor, flip: unknown): tf.Tensor => {
  const each = x.reshape([-1, ...x.shape.slice(-2)]);
  return flip ? transposed(each) : each;
};

/** Transposes first, and takes the products of a batch one by one: the stock kernel is 6 to 40 times slower at both. */
const batchMatMul: Kernel = ({ a, b }, { transposeA, transposeB }, stock) => {
  const [left, right] = [a!, b!];
  const outer = left.shape.slice(0, -2);
  if (!tf.util.arraysEqual(outer, right.shape.slice(0, -2))) return stock();
  if (tf.util.sizeFromShape(outer) === 1 && !transposeA && !transposeB) return stock();
  return tf.tidy(() => {
    const y = products(matrices(left, transposeA), matrices(right, transposeB));
    return y.reshape([...outer, ...y.shape.slice(1)]);
  });
};

/** Sums over the leading dims, as the gradient of a broadcast bias takes, by a product with ones. */
const sum: Kernel = ({ x }, { axis, keepDims }, stock) => {
  const whole = x!;
  const axes = tf.util.parseAxisParam(axis as number | number[], whole.shape);
  const leading = axes.length < whole.rank && axes.every((dim, i) => dim === i);
  if (!leading || whole.dtype !== "float32" || whole.size === 0) return stock();
  const left = whole.shape.slice(axes.length);
  const shape = keepDims ? [...axes.map(() => 1), ...left] : left;
  return tf.tidy(() => columnSums(whole.reshape([-1, tf.util.sizeFromShape(left)])).reshape(shape));
};

const transpose: Kernel = ({ x }, { perm }, stock) => {
  const { rank, dtype } = x!;
  return rank === 2 && dtype === "float32" && (perm as number[])[0] === 1 ? transposed(x!) : stock();
};

/** The gradient of `tf.gather`; tfjs 4.22 has no such kernel on wasm. */
const unsortedSegmentSum: Kernel = ({ x, segmentIds }, { numSegments }) => {
  const [values, ids] = [x!, segmentIds!];
  const shape = [numSegments as number, ...values.shape.slice(1)];
  return tf.tidy(() => sumIntoRows(values.reshape([ids.size, values.size / ids.size]), ids, shape[0]!).reshape(shape));
};

const kernels: Readonly<Record<string, Kernel>> = {
  [tf.Identity]: identity,
  [tf.BatchMatMul]: batchMatMul,
  [tf.Sum]: sum,
  [tf.Transpose]: transpose,
  [tf.UnsortedSegmentSum]: unsortedSegmentSum,
};

/** A kernel of this file, as registered. */
interface Replaced extends tf.KernelConfig {
  readonly replaces: true;
}

/** Puts `kernel` in the place of the stock one, which the backend may yet have to set up; returns what undoes it. */
function replace(kernelName: string, kernel: Kernel): () => void {
  const stock = tf.getKernel(kernelName, backendName) as tf.KernelConfig | Replaced | undefined;
  if (stock && "replaces" in stock) return () => {};
  if (stock) tf.unregisterKernel(kernelName, backendName);
  const kernelFunc: tf.KernelFunc = (args) =>
    kernel(args.inputs as Inputs, args.attrs ?? {}, () => (stock as tf.KernelConfig).kernelFunc(args));
  const replaced: Replaced = { ...stock, kernelName, backendName, kernelFunc, replaces: true };
  tf.registerKernel(replaced);
  return () => {
    tf.unregisterKernel(kernelName, backendName);
    if (stock) tf.registerKernel(stock);
  };
}

/**
 * Makes gradients of tfjs code fast on the wasm backend, in this thread; returns a function that brings the stock
 * kernels back. `useDevice("wasm")` has called it already; a second call does nothing, and nor does what it returns.
 * Call it after `@tensorflow/tfjs-backend-wasm` was imported. Results differ from stock by rounding only.
 */
export function useFastGradients(): () => void {
  const undo = Object.entries(kernels).map(([name, kernel]) => replace(name, kernel));
  return () => {
    for (const back of undo.reverse()) back();
  };
}
