// Where a step's forward and backward spend their time on a device that computes at once, kernel by kernel, and how far products are from
// the rate of one plain product of matrices: a table. Kernels that call others are counted without them. Argument: wasm, or another device.
import { argv, exit } from "node:process";
import { adamw, type DeviceName, useDevice } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { batch, benchModel, sizes } from "../cpu-model.ts";
import { handLoop } from "../hand.ts";
import { anyWeights, batchTensors } from "./inputs.ts";

interface Spent {
  ms: number;
  calls: number;
  /** Multiplications and additions, of products. */
  flops: number;
}

const flopsOf = (name: string, inputs: tf.NamedTensorInfoMap, y: tf.TensorInfo): number =>
  name === "BatchMatMul" || name === "_FusedMatMul" ? 2 * inputs.a!.shape.at(-1)! * tf.util.sizeFromShape(y.shape) : 0;

/** Puts a clock around every kernel of the backend. */
function clocked(backend: string): Map<string, Spent> {
  const spent = new Map<string, Spent>();
  const within: number[] = [];
  for (const config of tf.getKernelsForBackend(backend)) {
    const { kernelName, kernelFunc } = config;
    const timed: tf.KernelFunc = (args) => {
      const from = performance.now();
      within.push(0);
      const y = kernelFunc(args);
      const took = performance.now() - from;
      const inner = within.pop()!;
      if (within.length) within[within.length - 1]! += took;
      const sum = spent.get(kernelName) ?? { ms: 0, calls: 0, flops: 0 };
      const flops = within.length ? 0 : flopsOf(kernelName, args.inputs, [y].flat()[0] as tf.TensorInfo);
      spent.set(kernelName, { ms: sum.ms + took - inner, calls: sum.calls + 1, flops: sum.flops + flops });
      return y;
    };
    tf.unregisterKernel(kernelName, backend);
    tf.registerKernel({ ...config, kernelFunc: timed });
  }
  return spent;
}

/** GFLOP/s of one plain product. */
async function matrixRate(): Promise<number> {
  const side = 512;
  const a = tf.ones([side, side]);
  const times: number[] = [];
  for (let i = 0; i < 8; i++) {
    const from = performance.now();
    const y = tf.matMul(a, a);
    await y.data();
    times.push(performance.now() - from);
    y.dispose();
  }
  a.dispose();
  return (2 * side ** 3) / Math.min(...times) / 1e6;
}

const device = (argv[2] ?? "wasm") as DeviceName;
await useDevice(device);
const rate = await matrixRate();
const spent = clocked(tf.getBackend());
const { input, target } = await batchTensors();
const loop = handLoop(benchModel().model, anyWeights(), adamw({ lr: 1e-3 }));
const step = () => loop.step(input, target, 1 / (batch * sizes.context), false);
await step();
spent.clear();
const steps = 3;
const from = performance.now();
for (let i = 0; i < steps; i++) await step();
const whole = (performance.now() - from) / steps;
const rows = [...spent].sort(([, a], [, b]) => b.ms - a.ms).slice(0, 16);
console.log(`a step on ${device}: ${whole.toFixed(0)} ms; a plain product of matrices: ${rate.toFixed(1)} GFLOP/s`);
console.table(
  rows.map(([kernel, { ms, calls, flops }]) => ({
    kernel,
    calls: calls / steps,
    "ms a step": Number((ms / steps).toFixed(1)),
    "% of it": Number(((100 * ms) / steps / whole).toFixed(1)),
    "% of the matrix rate": flops ? Number(((100 * flops) / ms / 1e6 / rate).toFixed(0)) : undefined,
  })),
);
const flops = [...spent.values()].reduce((sum, at) => sum + at.flops, 0) / steps;
const atRate = flops / rate / 1e6;
console.log(
  `its products alone, at that rate: ${atRate.toFixed(0)} ms, ${((100 * atRate) / whole).toFixed(0)} % of the step`,
);
exit(0);
