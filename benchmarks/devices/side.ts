// One device of `npm run bench -- devices`, in a process of its own: plain tfjs code of the GPT and our segments take turns on it,
// forward and backward. Prints the milliseconds of both, by round, as JSON. Usage: node benchmarks/devices/side.ts DEVICE ROUNDS
import { argv, exit } from "node:process";
import { adamw, type DeviceName, useDevice, useFastGradients } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { batch, benchModel, sizes } from "../cpu-model.ts";
import { stockGpt } from "../cpu-stock.ts";
import { handLoop } from "../hand.ts";
import { anyWeights, batchTensors } from "./inputs.ts";

const [device, count] = [argv[2] as DeviceName, Number(argv[3] ?? 5)];
const tokens = batch * sizes.context;

async function timed(run: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await run();
  return performance.now() - from;
}

/** Both sides alike: neighbours on the machine disturb one of two steps less often than one. */
const fasterOfTwo = async (run: () => Promise<unknown>): Promise<number> =>
  Math.min(await timed(run), await timed(run));

/** Plain code on wasm has the stock kernels, which our device replaces. */
const withOurs = device === "wasm" ? useFastGradients : () => () => {};
if (device === "wasm") {
  await import("@tensorflow/tfjs-backend-wasm");
  await tf.setBackend("wasm");
} else await useDevice(device);

const { input, target } = await batchTensors();
const stock = stockGpt(sizes);
const ours = handLoop(benchModel().model, anyWeights(), adamw({ lr: 1e-3 }));
const rounds: [plain: number, own: number][] = [];
for (let round = 0; round <= count; round++) {
  const plain = await fasterOfTwo(async () => (await stock.step(input, target).data())[0]);
  const restore = withOurs();
  const own = await fasterOfTwo(() => ours.step(input, target, 1 / tokens, false));
  restore();
  rounds.push([plain, own]);
}
console.log(JSON.stringify(rounds.slice(1)));
exit(0);
