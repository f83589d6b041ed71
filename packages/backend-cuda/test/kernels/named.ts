// The kernels that Orthant's segments call by name, on whatever backend is current: there its own kernel, else the reference.
import { kernels } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import type { Operation } from "./cases.ts";
import { type Drawn, floats, integers, positive } from "./draws.ts";

const on = (run: (...xs: tf.Tensor[]) => tf.Tensor | tf.Tensor[], ...inputs: Drawn[]): Operation => ({ inputs, run });

const step = { beta1: 0.9, beta2: 0.99, eps: 1e-8, rate: 0.1, unbias2: 2, keep: 0.9, scale: 0.5 };
const norm = { center: true, epsilon: 1e-5 };
const rms = { center: false, epsilon: 1e-5 };
const total = (parts: tf.Tensor) => parts.sum();

function normGradient(of: typeof norm) {
  return (x: tf.Tensor, gain: tf.Tensor, bias: tf.Tensor, dy: tf.Tensor): tf.Tensor[] => {
    const [y, stat] = kernels.layerNorm({ x, gain, bias }, of);
    return [y, ...kernels.layerNormGrad({ dy, x, stat, gain }, of)];
  };
}

export function attention(q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, dy: tf.Tensor): tf.Tensor[] {
  const scale = 1 / Math.sqrt(q.shape.at(-1)!);
  const [y, kept] = kernels.attention({ q, k, v }, { scale });
  return [y, ...kernels.attentionGrad({ dy, q, k, v, kept }, { scale })];
}

export function packedAttention(qkv: tf.Tensor, dy: tf.Tensor): tf.Tensor[] {
  const scale = 1 / Math.sqrt(qkv.shape.at(-1)!);
  const [y, kept] = kernels.packedAttention({ qkv }, { scale });
  return [y, kernels.packedAttentionGrad({ dy, qkv, kept }, { scale })];
}

const side = (B: number, T: number, H: number, K: number): Operation =>
  on(packedAttention as Operation["run"], floats(B, T, 3, H, K), floats(B, T, H, K));

function perceptron(x: tf.Tensor, up: tf.Tensor, bias: tf.Tensor, down: tf.Tensor, dy: tf.Tensor): tf.Tensor[] {
  const [y, kept] = kernels.geluProduct({ x, w: up, bias });
  return [y, ...kernels.geluProductGrad({ dy, w: down, kept })];
}

/** Two parameters of odd sizes, the larger of several chunks, updated together. */
function together(...xs: tf.Tensor[]): tf.Tensor[] {
  const { keep: _, ...rest } = step;
  return kernels.adamwAll(xs, { ...rest, keep: [0.9, 1, 0.5] });
}

/** One parameter whose moments may be written over: `shared` shares the data of the first, which must stay. */
function over(value: tf.Tensor, grad: tf.Tensor, m: tf.Tensor, v: tf.Tensor): tf.Tensor[] {
  const shared = m.clone();
  const { keep: _, ...rest } = step;
  return [...kernels.adamwAll([value, grad, m, v], { ...rest, keep: [0.9], overwrite: true }), shared];
}

const parameter = (...shape: number[]): Drawn[] => [
  floats(...shape),
  floats(...shape),
  floats(...shape),
  positive(...shape),
];

const heads = (P: number, T: number, K: number): Drawn[] => Array.from({ length: 4 }, () => floats(P, T, K));

/** The loss summed, and its gradient by the logits. */
function crossEntropy(logits: tf.Tensor, target: tf.Tensor, dy: tf.Tensor): tf.Tensor[] {
  const [loss, lse] = runKernel("orthant.crossEntropy", { logits, target }) as [tf.Tensor, tf.Tensor];
  return [loss, lse, runKernel("orthant.crossEntropyGrad", { logits, target, lse, dy }) as tf.Tensor];
}

const runKernel = (name: string, inputs: tf.NamedTensorMap): tf.Tensor | tf.Tensor[] =>
  tf.engine().runKernel(name, inputs);

function crossEntropyReference(logits: tf.Tensor, target: tf.Tensor, dy: tf.Tensor): tf.Tensor[] {
  const hot = tf.oneHot(target as tf.Tensor1D, logits.shape[1]!).toFloat();
  const lse = tf.logSumExp(logits, -1);
  return [lse.sub(logits.mul(hot).sum(-1)).sum(), lse, tf.softmax(logits).sub(hot).mul(dy)];
}

const loss = (N: number, V: number): Operation => ({
  inputs: [floats(N, V), integers(V, N), floats()],
  run: crossEntropy as Operation["run"],
  reference: crossEntropyReference as Operation["run"],
});

/** The gated unit of gate and up, and its gradients. */
function swiglu(gate: tf.Tensor, up: tf.Tensor, dy: tf.Tensor): tf.Tensor[] {
  const y = runKernel("orthant.swiglu", { gate, up }) as tf.Tensor;
  return [y, ...(runKernel("orthant.swigluGrad", { gate, up, dy }) as tf.Tensor[])];
}

function swigluReference(gate: tf.Tensor, up: tf.Tensor, dy: tf.Tensor): tf.Tensor[] {
  const silu = (x: tf.Tensor) => tf.sigmoid(x).mul(x);
  const y = silu(gate).mul(up);
  const [dgate] = tf.grads((x: tf.Tensor) => silu(x).mul(up))([gate], dy);
  return [y, y, dgate!, dy.mul(silu(gate))];
}

const frequencies = [1, 0.3, 0.01];

const rotated =
  (back: boolean) =>
  (x: tf.Tensor): tf.Tensor =>
    tf.engine().runKernel("orthant.rotary", { x }, { frequencies, back } as unknown as tf.NamedAttrMap) as tf.Tensor;

const rotatedReference =
  (back: boolean) =>
  (x: tf.Tensor): tf.Tensor => {
    const angle = tf
      .range(0, x.shape[1]!)
      .expandDims(1)
      .mul(tf.tensor1d(frequencies))
      .mul(back ? -1 : 1);
    const [a, b] = tf.split(x, 2, 2) as [tf.Tensor, tf.Tensor];
    const [cos, sin] = [angle.cos(), angle.sin()];
    return tf.concat([a.mul(cos).sub(b.mul(sin)), b.mul(cos).add(a.mul(sin))], 2);
  };

const turned = (back: boolean): Operation => ({
  inputs: [floats(3, 7, 6)],
  run: rotated(back) as Operation["run"],
  reference: rotatedReference(back) as Operation["run"],
});

/** Numbers of whole tensors, of parts of some, and of counters beyond 32 bits. */
export const uniforms = (): Operation =>
  on(() =>
    (
      [
        { key: [0xffffffff, 5], from: 7, shape: [3, 5, 7], strides: [35, 7, 1] },
        { key: [1, 0xdeadbeef], from: 2 ** 34 - 9, shape: [4, 6], strides: [24, 1] },
        { key: [3, 4], from: 2 ** 45 + 2, shape: [2, 3, 1, 5], strides: [120, 20, 10, 1] },
        { key: [0, 0], from: 0, shape: [], strides: [] },
      ] as const
    ).map((at) => kernels.uniform({}, at)),
  );

export const namedOperations: readonly (readonly [name: string, make: () => Operation])[] = [
  ["addRow", () => on((x, row) => kernels.addRow({ x: x!, row: row! }), floats(2, 3, 7), floats(7))],
  [
    "adamw",
    () =>
      on(
        (value, grad, m, v) => kernels.adamw({ value: value!, grad: grad!, m: m!, v: v! }, step),
        floats(37, 29),
        floats(37, 29),
        floats(37, 29),
        positive(37, 29),
      ),
  ],
  ["columnSums", () => on((x) => kernels.columnSums({ x: x! }), floats(1300, 45))],
  ["gelu", () => on((x) => kernels.gelu({ x: x! }), floats(67, 31))],
  ["geluGrad", () => on((x, dy) => kernels.geluGrad({ x: x!, dy: dy! }), floats(67, 31), floats(67, 31))],
  [
    "layerNorm",
    () => on(normGradient(norm) as Operation["run"], floats(70, 48), floats(48), floats(48), floats(70, 48)),
  ],
  [
    "layerNorm of wide rows",
    () => on(normGradient(norm) as Operation["run"], floats(3, 1500), floats(1500), floats(1500), floats(3, 1500)),
  ],
  [
    "layerNorm of many rows",
    () => on(normGradient(norm) as Operation["run"], floats(300, 32), floats(32), floats(32), floats(300, 32)),
  ],
  ["rmsNorm", () => on(normGradient(rms) as Operation["run"], floats(5, 33), floats(33), floats(33), floats(5, 33))],
  [
    "pickRows",
    () => on((table, index) => kernels.pickRows({ table: table!, index: index! }), floats(9, 12), integers(9, 7)),
  ],
  [
    "sumIntoRows",
    () => on((x, index) => kernels.sumIntoRows({ x: x!, index: index! }, { rows: 9 }), floats(20, 6), integers(9, 20)),
  ],
  [
    "sumOfSquares",
    () =>
      on(
        (x) => [
          total(kernels.sumOfSquares({ x: x! }, { from: 0, to: 5003 })),
          total(kernels.sumOfSquares({ x: x! }, { from: 3, to: 17 })),
        ],
        floats(5003),
      ),
  ],
  [
    "causalSoftmax",
    () =>
      on(
        (x, dp) => {
          const p = kernels.causalSoftmax({ score: x! }, { scale: 0.3 });
          return [p, kernels.causalSoftmaxGrad({ p, dp: dp! }, { scale: 0.3 }).mul(p.notEqual(0).cast("float32"))];
        },
        floats(3, 17, 17),
        floats(3, 17, 17),
      ),
  ],
  ["attention", () => on(attention as Operation["run"], ...heads(3, 17, 8))],
  ["attention of one token", () => on(attention as Operation["run"], ...heads(2, 1, 16))],
  ["attention over several tiles", () => on(attention as Operation["run"], ...heads(2, 130, 64))],
  ["attention of a wide head", () => on(attention as Operation["run"], ...heads(2, 5, 132))],
  ["packedAttention", () => side(2, 17, 3, 8)],
  ["packedAttention over several tiles", () => side(1, 70, 2, 64)],
  ["packedAttention of a wide head", () => side(2, 5, 2, 132)],
  [
    "gelu beside a product",
    () => on(perceptron as Operation["run"], floats(9, 12), floats(12, 16), floats(16), floats(16, 12), floats(9, 12)),
  ],
  ["addGradient", () => on((seen, dx) => kernels.addGradient({ seen: seen!, dx: dx! }), floats(3, 67), floats(3, 67))],
  [
    "addBranch",
    () =>
      on(
        (stream, branch, row) => kernels.addBranch({ stream: stream!, branch: branch!, row: row! }),
        floats(2, 5, 8),
        floats(2, 5, 8),
        floats(8),
      ),
  ],
  [
    "addBranch of odd rows",
    () =>
      on(
        (stream, branch, row) => kernels.addBranch({ stream: stream!, branch: branch!, row: row! }),
        floats(2, 7),
        floats(2, 7),
        floats(7),
      ),
  ],
  ["joinColumns", () => on((...xs) => kernels.joinColumns(xs), floats(6, 8), floats(6, 8), floats(6, 8))],
  ["joinColumns of odd widths", () => on((...xs) => kernels.joinColumns(xs), floats(6, 3), floats(6, 8))],
  ["adamwAll over old moments", () => on(over as Operation["run"], ...parameter(37))],
  ["adamwAll", () => on(together, ...parameter(37), ...parameter(3, 3000), ...parameter(1))],
  [
    "sumsOfSquares",
    () =>
      on(
        (...xs) => kernels.sumsOfSquares(xs, { from: [0, 3, 1], to: [9000, 17, 2] }),
        floats(9003),
        floats(5, 4),
        floats(2),
      ),
  ],
  ["split in equal parts", () => on((x) => tf.split(x!, 3, 1), floats(5, 24))],
  ["columnSums of wide rows", () => on((x) => kernels.columnSums({ x: x! }), floats(1300, 200))],
  [
    "swiglu",
    () => ({
      inputs: [floats(5, 33), floats(5, 33), floats(5, 33)],
      run: swiglu as Operation["run"],
      reference: swigluReference as Operation["run"],
    }),
  ],
  ["rotary", () => turned(false)],
  ["rotary back", () => turned(true)],
  ["crossEntropy", () => loss(7, 77)],
  ["crossEntropy of a wide row", () => loss(3, 1200)],
  ["uniform numbers", uniforms],
];
