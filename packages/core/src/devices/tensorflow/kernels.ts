// The kernels of the tensorflow device: formulas that TensorFlow runs in one call, where it computes on the processor, and an
// operation of its own where the reference takes a matrix as wide as the table.
import * as tf from "@tensorflow/tfjs";

import * as named from "../kernels/index.ts";
import type { Norm } from "../kernels/norm.ts";
import { sumIntoRows } from "../kernels/rows.ts";
import { type Name, type NodeBackend, type Run, session } from "./session.ts";
import { reshape } from "./views.ts";

const backendName = "tensorflow";

type Inputs = Readonly<Record<string, tf.Tensor>>;

/** On any processor and any GPU. */
const rowKernels: readonly tf.KernelConfig[] = [
  {
    kernelName: sumIntoRows.kernelName,
    backendName,
    kernelFunc: ({ inputs, attrs }) =>
      tf.unsortedSegmentSum(inputs.x as tf.Tensor, inputs.index as tf.Tensor1D, attrs!.rows as number),
  },
];

/** A kernel that is one formula: its tensors by name, in the formula's order, then its numbers. */
const formula = (
  run: Run,
  name: Exclude<Name, "affine">,
  takes: readonly string[],
  numbers: readonly string[] = [],
): tf.KernelConfig => ({
  kernelName: `orthant.${name}`,
  backendName,
  kernelFunc({ inputs, attrs }) {
    const given = inputs as unknown as Inputs;
    const made = run(
      name,
      takes.map((key) => given[key]!),
      numbers.map((key) => (attrs as Readonly<Record<string, unknown>>)[key] as number),
    );
    return made.length > 1 ? made : made[0]!;
  },
});

const norms = (run: Run): tf.KernelConfig[] => [
  {
    kernelName: named.layerNorm.kernelName,
    backendName,
    kernelFunc({ inputs, attrs }) {
      const given = inputs as unknown as Inputs as { x: tf.Tensor; gain: tf.Tensor; bias?: tf.Tensor };
      const norm = attrs as unknown as Norm;
      if (!norm.center || !given.bias) return tf.tidy(() => named.layerNorm.reference(given, norm));
      return run("layerNorm", [given.x, given.gain, given.bias], [norm.epsilon]);
    },
  },
  {
    kernelName: named.layerNormGrad.kernelName,
    backendName,
    kernelFunc({ inputs, attrs }) {
      const given = inputs as unknown as { dy: tf.Tensor; x: tf.Tensor; stat: tf.Tensor; gain: tf.Tensor };
      const norm = attrs as unknown as Norm;
      if (!norm.center) return tf.tidy(() => named.layerNormGrad.reference(given, norm));
      return run("layerNormGrad", [given.dy, given.x, given.stat, given.gain]);
    },
  },
];

const weights = ["query", "key", "value", "out"];
const biases = ["queryBias", "keyBias", "valueBias"];
const attended = ["qkv", "kept", "mixed"];

/** Self-attention is one formula with biases and another without. */
const selfAttention = (run: Run): tf.KernelConfig[] => [
  {
    kernelName: named.selfAttention.kernelName,
    backendName,
    kernelFunc: (call) =>
      (call.inputs.queryBias
        ? formula(run, "selfAttention", ["x", ...weights, ...biases], ["scale"])
        : formula(run, "selfAttentionWithoutBias", ["x", ...weights], ["scale"])
      ).kernelFunc(call),
  },
  {
    kernelName: named.selfAttentionGrad.kernelName,
    backendName,
    kernelFunc: (call) =>
      formula(
        run,
        call.attrs!.biased ? "selfAttentionGrad" : "selfAttentionGradWithoutBias",
        ["dy", "x", ...weights, ...attended],
        ["scale"],
      ).kernelFunc(call),
  },
];

interface Affine {
  readonly a: tf.TensorInfo;
  readonly b: tf.TensorInfo;
  readonly bias?: tf.TensorInfo;
  readonly preluActivationWeights?: tf.TensorInfo;
}

/** A product of two matrices and a row added to each of its own: one operation of TensorFlow's; what is unlike that is tfjs-node's. */
function fusedMatMul(run: Run, stock: tf.KernelConfig): tf.KernelConfig {
  const kernelFunc: tf.KernelFunc = (call) => {
    const { a, b, bias, preluActivationWeights } = call.inputs as unknown as Affine;
    const { transposeA, transposeB, activation } = call.attrs as Readonly<Record<string, unknown>>;
    const plain = !transposeA && !transposeB && !preluActivationWeights && (!activation || activation === "linear");
    const [M, K, N] = [...a.shape.slice(-2), b.shape.at(-1)!] as [number, number, number];
    const alone = [a, b].every(({ shape }) => tf.util.sizeFromShape(shape.slice(0, -2)) === 1) && b.shape.at(-2) === K;
    const row = bias?.shape.length === 1 && bias.shape[0] === N;
    if (!plain || !alone || !row || M * K * N === 0 || a.dtype !== "float32") return stock.kernelFunc(call);
    return tf.tidy(() => {
      const [y] = run("affine", [{ ...a, shape: [M, K] }, { ...b, shape: [K, N] }, bias]);
      return y!.reshape([...a.shape.slice(0, -1), N]);
    });
  };
  return { ...stock, kernelFunc };
}

/** What takes several operations of TensorFlow's, in one call each. */
const formulaKernels = (run: Run): readonly tf.KernelConfig[] => [
  fusedMatMul(run, tf.getKernel(tf._FusedMatMul, backendName)),
  ...norms(run),
  ...selfAttention(run),
  formula(run, "addBranch", ["stream", "branch", "row"]),
  formula(run, "attention", ["q", "k", "v"], ["scale"]),
  formula(run, "attentionGrad", ["dy", "q", "k", "v", "kept"], ["scale"]),
  formula(run, "columnSums", ["x"]),
  formula(run, "crossEntropy", ["logits", "target"]),
  formula(run, "crossEntropyGrad", ["logits", "target", "lse", "dy"]),
  formula(run, "gelu", ["x"]),
  formula(run, "geluGrad", ["x", "dy"]),
  formula(run, "geluProduct", ["x", "w", "bias"]),
  formula(run, "geluProductGrad", ["dy", "w", "kept"]),
  formula(run, "mlp", ["x", "up", "bias", "down"]),
  formula(run, "mlpGrad", ["dy", "x", "up", "down", "kept"]),
  formula(run, "packedAttention", ["qkv"], ["scale"]),
  formula(run, "packedAttentionGrad", ["dy", "qkv", "kept"], ["scale"]),
];

/** All of them for a backend whose data may have several shapes. Formulas read their inputs on the host: a GPU has none. */
export const kernelsOf = (backend: NodeBackend): tf.KernelConfig[] => [
  reshape,
  ...rowKernels,
  ...(backend.isUsingGpuDevice ? [] : formulaKernels(session(backend))),
];
