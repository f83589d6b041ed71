// The 3D example's model on two ranks, each on a thread with a GPU device of its own, against the same on wasm: losses within 1e-4.
// A program of its own, for every thread runs the script from its first line.
import { exit } from "node:process";
import { isMainThread } from "node:worker_threads";
import { adamw, type DeviceChoice, plan, threads, train } from "@orthant/core";
import { runRanks } from "@orthant/core/internal";
import { pipeline } from "@orthant/pipeline";
import { tinyGpt, tinySequences } from "@orthant/testing";

const options = (device: DeviceChoice) => ({
  model: tinyGpt({ layers: 2 }),
  data: tinySequences(),
  batch: 4,
  mesh: { pp: 2 },
  strategies: [pipeline({ schedule: "1f1b", micros: 2 })],
  optimizer: adamw({ lr: 3e-3 }),
  clip: 1,
  steps: 4,
  run: false as const,
  quiet: true,
  device,
});

async function losses(device: "wasm" | "webgpu"): Promise<number[]> {
  const found: number[] = [];
  process.env.RANKS_ON = device; // workers read it
  await runRanks(threads({ workers: 2, script: import.meta.filename }), {
    options: options(device),
    plan: await plan(options(device)),
    events: { onStep: ({ loss }) => void found.push(loss) },
    stop: new AbortController().signal,
  });
  return found;
}

if (!isMainThread) await train(options(process.env.RANKS_ON as "wasm" | "webgpu"));
else {
  const [gpu, wasm] = [await losses("webgpu"), await losses("wasm")];
  const worst = Math.max(...gpu.map((loss, i) => Math.abs(loss / wasm[i]! - 1)));
  const right = gpu.length === 4 && worst < 1e-4;
  console.log(`two ranks on threads: ${gpu.length} losses, largest relative error ${worst.toExponential(1)}`);
  console.log(`${Number(right)} passed, ${Number(!right)} failed`);
  exit(right ? 0 : 1);
}
