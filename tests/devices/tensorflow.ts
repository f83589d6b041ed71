// The tensorflow device, for real, on Node: its conformance suite, a 3D mesh and the 3D example on two processes against wasm, what it
// says where memory ends, and that 500 steps leave nothing. Usage: node tests/devices/tensorflow.ts [words]; scripts/setup-tensorflow.ts comes first.
import { execFile, execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { argv, execPath, exit, pid } from "node:process";
import { promisify } from "node:util";
import { type DeviceName, memory, rebind, type Segment, sgd, train, useDevice } from "@orthant/core";
import { arrays, mlp, segments } from "@orthant/nn";
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

type AnySegment = Pick<Segment<never, never>, "name" | "params" | "run">;

/** Every gradient of a segment, in one part or as `wants` has them. */
function gradientsOf(
  segment: AnySegment,
  shapes: readonly (readonly number[])[],
  wants: readonly boolean[][],
): tf.Tensor[] {
  const xs = shapes.map((shape, i) => tf.randomNormal([...shape], 0, 0.5, "float32", i + 1));
  const count = segment.params.length;
  const { y, part, drop } = rebind((...all) => segment.run(all.slice(0, count), ...all.slice(count)), xs);
  const parts = wants.map((want) => part(y, xs, want));
  drop();
  return xs.map((_, i) => parts.map((each) => each[i]).find((dx) => dx)!);
}

/** All gradients at once are one call of TensorFlow, those of inputs and of parameters apart go kernel by kernel. */
const halves: Case = {
  name: "gradients in halves are those of one part",
  async run() {
    await useDevice(device);
    const [B, T, D, H, K, F] = [2, 9, 12, 3, 4, 20];
    const weights = [[D, H, K], [D, H, K], [D, H, K], [H, K, D]]; // biome-ignore format: a list
    const biases = [[H, K], [H, K], [H, K]]; // biome-ignore format: a list
    const tried = [
      [segments.attention, [...weights, ...biases, [B, T, D]]],
      [segments.attentionWithoutBias, [...weights, [B, T, D]]],
      [segments.mlp, [[D, F], [F], [F, D], [B, T, D]]],
    ] as const;
    for (const [segment, shapes] of tried) {
      const first = shapes.map((_, i) => i === shapes.length - 1);
      const worst = tf.tidy(() => {
        const whole = gradientsOf(segment, shapes, [shapes.map(() => true)]);
        const apart = gradientsOf(segment, shapes, [first, first.map((flag) => !flag)]);
        return Math.max(...whole.map((dx, i) => dx.sub(apart[i]!).norm().div(dx.norm()).dataSync()[0]!));
      });
      if (!(worst < 1e-6)) throw new Error(`${segment.name}: ${worst} apart`);
    }
  },
};

const GiB = 2 ** 30;

/** What training says where a hidden layer `[rows, width]` is more than there is, and tensors that TensorFlow then has beyond those of tfjs. */
async function withoutRoom(rows: number, width: number): Promise<{ message: string; left: number }> {
  const each = Array.from({ length: rows }, () => [1]);
  const data = arrays({ inputs: each, targets: each });
  const model = mlp({ inputs: 1, outputs: 1, layers: 1, width: 1, hidden: width });
  const job = {
    model,
    data,
    batch: rows,
    steps: 1,
    optimizer: sgd({ lr: 0.1 }),
    transport: memory(),
    run: false,
  } as const;
  await useDevice(device);
  const extra = () => inLibrary() - tf.memory().numDataBuffers;
  const before = extra();
  const message = await train({ ...job, quiet: true, device }).then(
    () => "it trained",
    (error: Error) => error.message,
  );
  return { message, left: extra() - before };
}

/** Runs `withoutRoom` in this process, which may then have `bytes` more than it has: TensorFlow's own allocator runs out of them. */
async function limited([rows, width, bytes]: readonly number[]): Promise<void> {
  await useDevice(device);
  const [, held] = /VmSize:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))!;
  if (bytes) execFileSync("prlimit", ["--pid", `${pid}`, `--as=${1024 * Number(held) + bytes}`]);
  console.log(JSON.stringify(await withoutRoom(rows!, width!)));
}

/** A process of its own: TensorFlow waits 10 s for memory to come back. */
async function checkRefusal(rows: number, width: number, bytes: number): Promise<void> {
  const given = [rows, width, bytes].map(String);
  const { stdout } = await execute(execPath, [import.meta.filename, "--limited", ...given]);
  const { message, left } = JSON.parse(stdout.trim().split("\n").at(-1)!) as Awaited<ReturnType<typeof withoutRoom>>;
  const asked = `a tensor of [${rows},${width}]: ${((4 * rows * width) / 2 ** 20).toFixed(1)} MiB asked for, `;
  if (!message.includes(asked) || !/\d MiB held by tensors, [\d.]+ MiB free/.test(message)) throw new Error(message);
  if (left) throw new Error(`${left} tensors in TensorFlow are left`);
}

const room: Case = {
  name: "out of memory, 2^40 bytes and 4 GiB where there is one: named, and nothing is left",
  run: async () => void (await Promise.all([checkRefusal(2 ** 16, 2 ** 22, 0), checkRefusal(2 ** 14, 2 ** 16, GiB)])),
};

if (argv[2] === "--limited") {
  await limited(argv.slice(3).map(Number));
  exit(0);
}
const mesh = { ...underSgd(), steps: 3, device, reference: "wasm", tolerance: 1e-4 } as const;
const cases = [
  ...testDevice(device),
  ...differentialCases({ ...mesh, cases: [{ pp: 2, dp: 2, tp: 2, schedule: "1f1b", stage: 3 }] }),
  example,
  steady,
  halves,
  room,
].filter(({ name }) => argv.slice(2).every((word) => name.includes(word)));
const failed = await runCases(cases, (line) => {
  if (!/^ok .*\d ms$/.test(line) || /seed|pp 2|3D|500|memory/.test(line)) console.log(line);
});
console.log(`${device}: ${cases.length - failed} passed, ${failed} failed`);
exit(failed || !cases.length ? 1 : 0);
