// Kernels by name in an operation of TensorFlow's own, where the reference takes a matrix as wide as the table.
import * as tf from "@tensorflow/tfjs";
import { sumIntoRows } from "../kernels/rows.ts";

const backendName = "tensorflow";

export const kernels: readonly tf.KernelConfig[] = [
  {
    kernelName: sumIntoRows.kernelName,
    backendName,
    kernelFunc: ({ inputs, attrs }) =>
      tf.unsortedSegmentSum(inputs.x as tf.Tensor, inputs.index as tf.Tensor1D, attrs!.rows as number),
  },
];
