// The GPT of `npm run bench -- cpu` on webgpu, forward, backward and update, beside plain tfjs code of the same model on a stock
// WebGPU backend: `node scripts/webgpu.ts benchmarks/devices/webgpu.ts` takes Vulkan in software. Steps take turns; the ratio is
// that of the fastest. Arguments: the bar (1.5 by default), steps of each (3), layers (4).
import { argv, exit } from "node:process";
import "@tensorflow/tfjs-backend-webgpu";
import { useDevice } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { batch, sizes } from "../cpu-model.ts";
import { type Job, meter, ourSteps, registerStock, type Step, stockName, stockSteps } from "./webgpu-sides.ts";

const [bar, steps, layers] = [argv[2] ?? 1.5, argv[3] ?? 3, argv[4] ?? sizes.layers].map(Number) as [
  number,
  number,
  number,
];
const job: Job = { ...sizes, layers, batch };

tf.copyRegisteredKernels("webgpu", stockName);
await useDevice("webgpu");
await registerStock();
const counted = meter();

const fastest = (all: readonly Step[]): Step => all.slice(1).reduce((best, step) => (step.ms < best.ms ? step : best));
const show = ({ ms, kernels, busy }: Step): string =>
  `${ms.toFixed(0)} ms, ${kernels} kernels, JavaScript ${busy.toFixed(0)} ms`;

const ours = fastest(await ourSteps(job, steps, counted));
const plain = fastest(await stockSteps(job, steps, counted));
const ratio = plain.ms / ours.ms;
const verdict = ratio >= bar ? "meets" : "MISSES";
console.log(`a step, plain tfjs / ours: ${show(plain)} / ${show(ours)} = ${ratio.toFixed(2)} (${verdict} >= ${bar})`);
exit(ratio >= bar ? 0 : 1);
