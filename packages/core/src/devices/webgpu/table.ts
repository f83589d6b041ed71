// The kernels of this folder under the names by which segments and optimizers call them.
import type { KernelConfig, TensorInfo } from "@tensorflow/tfjs";
import * as named from "../kernels/index.ts";
import type { Backend } from "./backend.ts";
import { adamw, addRow, gelu, geluGrad } from "./elementwise.ts";
import { adamwAll, sumsOfSquares } from "./many.ts";
import { columnSums, layerNorm, layerNormGrad } from "./norm.ts";
import { products } from "./products.ts";
import { pickRows, sumIntoRows, sumOfSquares } from "./rows.ts";
import { causalSoftmax, causalSoftmaxGrad, crossEntropy, crossEntropyGrad } from "./softmax.ts";
import type { Inputs } from "./stock.ts";

type Compute<Attrs> = (b: Backend, inputs: Inputs, attrs: Attrs) => TensorInfo | TensorInfo[];

const config = <Attrs>({ kernelName }: { readonly kernelName: string }, compute: Compute<Attrs>): KernelConfig => ({
  kernelName,
  backendName: "webgpu",
  kernelFunc: ({ inputs, backend, attrs }) => compute(backend as Backend, inputs as unknown as Inputs, attrs as Attrs),
});

export const kernels = (): KernelConfig[] => [
  ...products(),
  config(named.adamw, adamw),
  config(named.adamwAll, adamwAll),
  config(named.addRow, addRow),
  config(named.causalSoftmax, causalSoftmax),
  config(named.causalSoftmaxGrad, causalSoftmaxGrad),
  config(named.columnSums, columnSums),
  config(named.crossEntropy, crossEntropy),
  config(named.crossEntropyGrad, crossEntropyGrad),
  config(named.gelu, gelu),
  config(named.geluGrad, geluGrad),
  config(named.layerNorm, layerNorm),
  config(named.layerNormGrad, layerNormGrad),
  config(named.pickRows, pickRows),
  config(named.sumIntoRows, sumIntoRows),
  config(named.sumOfSquares, sumOfSquares),
  config(named.sumsOfSquares, sumsOfSquares),
];
