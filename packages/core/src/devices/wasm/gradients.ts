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
  fitsOutput,
} from "./convolution.ts";
import { einsum } from "./einsum.ts";
import { packedAttention, packedAttentionGrad } from "./heads.ts";
import { columnSums, transposed } from "./matmul.ts";
import { layerNorm, layerNormGrad } from "./norm.ts";
import { maxPool3d, maxPool3dGrad, maxPoolGrad } from "./pool.ts";
import { batchMatMul, fusedMatMul, rowBias } from "./products.ts";
import type { Inputs, Replacement } from "./replacement.ts";
import { addRow, addToRows, pickRows, sumIntoRows } from "./rows.ts";
import { causalSoftmax, causalSoftmaxGrad } from "./softmax.ts";
import { sumOfSquares } from "./squares.ts";
import { conv3dInputGrad } from "./volume.ts";

const backendName = "wasm";

/** Runs for every tensor that a gradient saves: the same memory, counted, where the stock kernel copies it. */
const identity: Replacement = ({ x }) => {
  const { dataId, shape, dtype } = x!;
  tf.backend().incRef(dataId);
  return { dataId, shape, dtype };
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

/** The gradient of `tf.gather`; tfjs 4.22 has no such kernel on wasm. Rows with a negative id are left out. */
const unsortedSegmentSum: Replacement = ({ x, segmentIds }, { numSegments }) => {
  const [values, ids] = [x!, segmentIds!];
  const rows = numSegments as number;
  const shape = [rows, ...values.shape.slice(1)];
  const wanted = (row: number) => row >= 0;
  return tf.tidy(() => {
    const x = values.reshape([ids.size, values.size / ids.size]);
    return addToRows({ x, index: ids }, rows, wanted).reshape(shape);
  });
};

/** Padding in numbers, and a bias as the stock kernel takes it. */
const convolved =
  (depthwise: boolean): Replacement =>
  ({ bias, ...inputs }, attrs, stock) => {
    const [filter, at] = [inputs.filter!.shape, { ...attrs, dilations: attrs.dilations ?? 1 }];
    const own = bias && { bias: rowBias(bias, depthwise ? filter[2]! * filter[3]! : filter[3]!) };
    const y = stock({ ...inputs, ...own }, explicitPad(inputs.x!.shape, filter, at, depthwise));
    own?.bias.dispose();
    return y;
  };

/** Ours where the output's gradient has the shape that the convolution gives; tfjs lets others pass, and so does the stock kernel. */
const convolvedBack: Replacement = (inputs, attrs, stock) =>
  fitsOutput(inputs, attrs) ? conv2dInputGrad(inputs, attrs) : stock();

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
  [tf.MaxPool3D]: maxPool3d,
  [tf.MaxPool3DGrad]: maxPool3dGrad,
  [tf.Conv2DBackpropFilter]: conv2dFilterGrad,
  [tf.Conv2DBackpropInput]: convolvedBack,
  [tf.Conv3DBackpropInputV2]: conv3dInputGrad,
  [tf.DepthwiseConv2dNativeBackpropFilter]: depthwiseFilterGrad,
  [tf.DepthwiseConv2dNativeBackpropInput]: depthwiseInputGrad,
  [tf.Einsum]: einsum,
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
  ...own(named.packedAttention, packedAttention),
  ...own(named.packedAttentionGrad, packedAttentionGrad),
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
