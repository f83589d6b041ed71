// The tensorflow device, for real, on Node: its conformance suite, a 3D mesh and the 3D example on two processes against wasm, what it
// refuses, and that 500 steps leave nothing. Usage: node tests/devices/tensorflow.ts [words]; scripts/setup-tensorflow.ts comes first.
import { execFile } from "node:child_process";
import { argv, execPath, exit } from "node:process";
import { promisify } from "node:util";
import { type DeviceName, memory, sgd, useDevice } from "@orthant/core";
import { arrays, mlp } from "@orthant/nn";
import { type Case, differentialCases, observe, runCases, testDevice, underSgd } from "@orthant/testing";
import * as tf from "@tensorflow/tfjs";

const execute = promisify(execFile);
const device = "tensorflow";
const pathOf = (relative: string) => new URL(relative, import.meta.url).pathname;

/** Losses of the 3D example's model, each of two ranks in a process of its own. */
async function losses(on: DeviceName): Promise<number[]> {
  const args = [
    pathOf("../../packages/cli/bin/orthant.js"),
    "run",
    "--ranks",
    "2",
    "--device",
    on,
    pathOf("./train.ts"),
  ];
  const env = { ...process.env, MESH: `{ "pp": 1, "dp": 2, "tp": 1 }` };
  const { stdout } = await execute(execPath, args, { env });
  return JSON.parse(/\[[\d.,e-]{20,}\]/.exec(stdout)![0]) as number[];
}

const example: Case = {
  name: "the 3D example on two processes has the losses of wasm",
  async run() {
    const [found, expected] = [await losses(device), await losses("wasm")];
    const error = Math.max(...found.map((loss, i) => Math.abs(loss / expected[i]! - 1)));
    if (!(error < 1e-4) || found.length !== 6) throw new Error(`${found} in place of ${expected}`);
    console.log(`     ${found.length} steps, losses at most ${error.toExponential(1)} apart`);
  },
};

/** Tensors that TensorFlow itself holds. */
const inLibrary = (): number =>
  (tf.backend() as unknown as { binding: { getNumOfTensors(): number } }).binding.getNumOfTensors();

const steady: Case = {
  name: "500 steps leave nothing",
  async run() {
    const data = arrays({ inputs: [[0, 0], [0, 1], [1, 0], [1, 1]], targets: [[0], [1], [1], [0]] }); // biome-ignore format: a table
    const model = mlp({ inputs: 2, outputs: 1, layers: 1, width: 8 });
    await useDevice(device);
    const before = inLibrary();
    const job = { model, data, batch: 4, steps: 500, optimizer: sgd({ lr: 0.05 }), run: false, quiet: true } as const;
    const { tensors, leaked } = await observe({ ...job, device }, memory());
    const grown = inLibrary() - before;
    if (leaked || grown || tensors.at(-1) !== tensors[1])
      throw new Error(`${leaked} in tfjs, ${grown} in TensorFlow are left`);
  },
};

const mesh = { ...underSgd(), steps: 3, device, reference: "wasm", tolerance: 1e-4 } as const;
const cases = [
  ...testDevice(device),
  ...differentialCases({ ...mesh, cases: [{ pp: 2, dp: 2, tp: 2, schedule: "1f1b", stage: 3 }] }),
  example,
  steady,
].filter(({ name }) => argv.slice(2).every((word) => name.includes(word)));
const failed = await runCases(cases, (line) => {
  if (!/^ok .*\d ms$/.test(line) || /seed|pp 2|3D|500/.test(line)) console.log(line);
});
console.log(`${device}: ${cases.length - failed} passed, ${failed} failed`);
exit(failed || !cases.length ? 1 : 0);
