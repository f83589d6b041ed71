// Fast kernels for any tfjs code on the wasm backend: kernels that stock gradients call, replaced by faster ones or
// supplied where missing, and those that segments call by name. Other backends are not touched, since a kernel belongs to one.
import * as tf from "@tensorflow/tfjs";
import * as named from "../kernels/index.ts";
import type { Kernel } from "../kernels/kernel.ts";
import { adamw } from "./adamw.ts";
import {
  conv2dFilterGrad,
  conv2dInputGrad,
  depthwiseFilterGrad,
  depthwiseInputGrad,
  explicitPad,
} from "./convolution.ts";
import { columnSums, products, transposed } from "./matmul.ts";
import { layerNorm, layerNormGrad } from "./norm.ts";
import { maxPoolGrad } from "./pool.ts";
import { addRow, pickRows, sumIntoRows } from "./rows.ts";
import { causalSoftmax, causalSoftmaxGrad } from "./softmax.ts";
import { sumOfSquares } from "./squares.ts";
import { conv3dInputGrad } from "./volume.ts";

const backendName = "wasm";

type Result = ReturnType<tf.KernelFunc>;
type Inputs = Record<string, tf.Tensor>;
type Attrs = Record<string, unknown>;
/** Computes what the stock kernel would, or calls `stock` where that is as fast; with other inputs or constants if they are given. */
type Replacement = (inputs: Inputs, attrs: Attrs, stock: (inputs?: Inputs, attrs?: Attrs) => Result) => Result;

/** Runs for every tensor that a gradient saves: the same memory, counted, where the stock kernel copies it. */
const identity: Replacement = ({ x }) => {
  const { dataId, shape, dtype } = x!;
  tf.backend().incRef(dataId);
  return { dataId, shape, dtype };
};

const matrices = (x: tf.Tensor, flip: unknown): tf.Tensor => {
  const each = x.reshape([-1, ...x.shape.slice(-2)]);
  return flip ? transposed(each) : each;
};

/** Whether the stock kernel is to be asked, which checks what does not fit; P products of matrices follow where it is not. */
function unlike(a: tf.Tensor, b: tf.Tensor, { transposeA, transposeB }: Attrs): boolean {
  const outer = a.shape.slice(0, -2);
  const shared = [a.shape.at(transposeA ? -2 : -1), b.shape.at(transposeB ? -1 : -2)];
  const floats = a.dtype === "float32" && b.dtype === "float32";
  return (
    !floats || shared[0] !== shared[1] || !tf.util.arraysEqual(outer, b.shape.slice(0, -2)) || a.size * b.size === 0
  );
}

/** `[1, K] [K, N]` as `[2, K] [K, N]`: the stock kernel has crashed with one row. */
const oneRow = (a: tf.Tensor, b: tf.Tensor): tf.Tensor =>
  tf
    .matMul(tf.concat([a, a], -2), b)
    .reshape([2, -1])
    .slice([0, 0], [1, -1]);

/** Transposes first, and takes the products of a batch one by one: the stock kernel is 6 to 40 times slower at both. */
const batchMatMul: Replacement = ({ a, b }, attrs, stock) => {
  const [left, right, { transposeA, transposeB }] = [a!, b!, attrs];
  if (unlike(left, right, attrs)) return stock();
  const outer = left.shape.slice(0, -2);
  const alone = tf.util.sizeFromShape(outer) === 1;
  const rows = left.shape.at(transposeA ? -1 : -2)!;
  if (alone && rows > 1 && !transposeA && !transposeB) return stock();
  return tf.tidy(() => {
    const [x, y] = [matrices(left, transposeA), matrices(right, transposeB)];
    const product = rows === 1 ? oneRow : tf.matMul;
    return (alone ? product(x, y) : products(x, y)).reshape([...outer, rows, y.shape[2]!]);
  });
};

/**
 * A bias of its own, since the stock kernel looks at the shape under which it was made and not at the present one; and one row as
 * two, as above.
 */
const fusedMatMul: Replacement = ({ a, bias, ...inputs }, { transposeA }, stock) => {
  const single = a!.size > 0 && !transposeA && a!.shape.at(-2) === 1 && a!.rank === 3 && a!.shape[0] === 1;
  const given = { ...inputs, a: single ? tf.concat([a!, a!], 1) : a!, ...(bias && { bias: bias.add(0) }) };
  const y = tf.engine().makeTensorFromTensorInfo(stock(given) as tf.TensorInfo);
  tf.dispose([...(single ? [given.a] : []), ...(given.bias ? [given.bias] : [])]);
  if (!single) return y;
  const row = y.slice([0, 0, 0], [1, 1, -1]);
  y.dispose();
  return row;
};

/** Sums over the leading dims, as the gradient of a broadcast bias takes, by a product with ones. */
const sum: Replacement = ({ x }, { axis, keepDims }, stock) => {
  const whole = x!;
  const axes = tf.util.parseAxisParam(axis as number | number[], whole.shape);
  const leading = axes.length < whole.rank && axes.every((dim, i) => dim === i);
  if (!leading || whole.dtype !== "float32" || whole.size === 0) return stock();
  const left = whole.shape.slice(axes.length);
  const shape = keepDims ? [...axes.map(() => 1), ...left] : left;
  return tf.tidy(() => columnSums({ x: whole.reshape([-1, tf.util.sizeFromShape(left)]) }).reshape(shape));
};

const transpose: Replacement = ({ x }, { perm }, stock) => {
  const { rank, dtype } = x!;
  return rank === 2 && dtype === "float32" && (perm as number[])[0] === 1 ? transposed(x!) : stock();
};

/** The gradient of `tf.gather`; tfjs 4.22 has no such kernel on wasm. */
const unsortedSegmentSum: Replacement = ({ x, segmentIds }, { numSegments }) => {
  const [values, ids] = [x!, segmentIds!];
  const rows = numSegments as number;
  const shape = [rows, ...values.shape.slice(1)];
  return tf.tidy(() =>
    sumIntoRows({ x: values.reshape([ids.size, values.size / ids.size]), index: ids }, { rows }).reshape(shape),
  );
};

/** Padding in numbers, and a bias of its own as above. */
const convolved =
  (depthwise: boolean): Replacement =>
  ({ bias, ...inputs }, attrs, stock) => {
    const own = bias && { bias: bias.add(0) };
    const y = stock({ ...inputs, ...own }, explicitPad(inputs.x!.shape, inputs.filter!.shape, attrs, depthwise));
    own?.bias.dispose();
    return y;
  };

/** A kernel of this folder under the name by which segments call it. */
const own = <I extends object, O extends tf.Tensor | tf.Tensor[], A>(
  { kernelName }: Kernel<I, O, A>,
  run: (inputs: I, attrs: A) => O,
): Readonly<Record<string, Replacement>> => ({ [kernelName]: (inputs, attrs) => run(inputs as I, attrs as A) });

const kernels: Readonly<Record<string, Replacement>> = {
  [tf.Identity]: identity,
  [tf.BatchMatMul]: batchMatMul,
  [tf.Conv2D]: convolved(false),
  [tf.FusedConv2D]: convolved(false),
  [tf.DepthwiseConv2dNative]: convolved(true),
  [tf.FusedDepthwiseConv2D]: convolved(true),
  [tf.MaxPoolGrad]: maxPoolGrad,
  [tf.Conv2DBackpropFilter]: conv2dFilterGrad,
  [tf.Conv2DBackpropInput]: conv2dInputGrad,
  [tf.Conv3DBackpropInputV2]: conv3dInputGrad,
  [tf.DepthwiseConv2dNativeBackpropFilter]: depthwiseFilterGrad,
  [tf.DepthwiseConv2dNativeBackpropInput]: depthwiseInputGrad,
  [tf._FusedMatMul]: fusedMatMul,
  [tf.Sum]: sum,
  [tf.Transpose]: transpose,
  [tf.UnsortedSegmentSum]: unsortedSegmentSum,
  ...own(named.adamw, adamw),
  ...own(named.addRow, addRow),
  ...own(named.causalSoftmax, causalSoftmax),
  ...own(named.causalSoftmaxGrad, causalSoftmaxGrad),
  ...own(named.columnSums, columnSums),
  ...own(named.layerNorm, layerNorm),
  ...own(named.layerNormGrad, layerNormGrad),
  ...own(named.pickRows, pickRows),
  ...own(named.sumIntoRows, sumIntoRows),
  ...own(named.sumOfSquares, sumOfSquares),
};

/** A kernel of this file, as registered. */
interface Replaced extends tf.KernelConfig {
  readonly replaces: true;
}

/** Puts `kernel` in the place of the stock one, which the backend may yet have to set up; returns what undoes it. */
function replace(kernelName: string, kernel: Replacement): () => void {
  const stock = tf.getKernel(kernelName, backendName) as tf.KernelConfig | Replaced | undefined;
  if (stock && "replaces" in stock) return () => {};
  if (stock) tf.unregisterKernel(kernelName, backendName);
  const kernelFunc: tf.KernelFunc = (args) =>
    kernel(args.inputs as Inputs, args.attrs ?? {}, (inputs = args.inputs as Inputs, attrs = args.attrs) =>
      (stock as tf.KernelConfig).kernelFunc({ ...args, inputs, attrs: attrs as tf.NamedAttrMap }),
    );
  const replaced: Replaced = { ...stock, kernelName, backendName, kernelFunc, replaces: true };
  tf.registerKernel(replaced);
  return () => {
    tf.unregisterKernel(kernelName, backendName);
    if (stock) tf.registerKernel(stock);
  };
}

/**
 * Makes gradients of tfjs code and the kernels that segments call by name fast on the wasm backend, in this thread; returns a
 * function that brings the stock kernels back. `useDevice("wasm")` has called it already; a second call does nothing, and nor
 * does what it returns. Call it after `@tensorflow/tfjs-backend-wasm` was imported. Results differ from stock by rounding only.
 */
export function useFastGradients(): () => void {
  const undo = Object.entries(kernels).map(([name, kernel]) => replace(name, kernel));
  return () => {
    for (const back of undo.reverse()) back();
  };
}
