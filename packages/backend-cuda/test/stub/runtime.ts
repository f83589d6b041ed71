// The code that drives a card, on whichever runtime started it: what a launch hands over stays in its place whatever the garbage collector
// takes, and a program of plain tfjs goes through. `node scripts/runtimes.ts packages/backend-cuda/test/stub/runtime.ts` runs it on Node,
// Deno and Bun. Ends with 1 where a parameter was not what was given.
import { installStub } from "./install.ts";

const seen = installStub();
const { openGpu } = await import("../../src/driver/cuda.ts");
const tf = await import("@tensorflow/tfjs");
await import("../../src/index.ts");

/** Enough for every runtime to collect what nothing holds. */
const litter = (): number =>
  [1, 2, 3, 4].reduce((sum) => sum + Array.from({ length: 200_000 }, (_, k) => ({ k })).length, 0);

const launch = openGpu({ compute: "tf32" }).compile({ name: "any", takes: "pif", source: "" });
let wrong = 0;
for (let i = 0; i < 20; i++) {
  launch(1, 1, 32, 2 ** 45 + i, -i, i / 2);
  const last = new DataView(seen.last());
  const found = [Number(last.getBigUint64(0, true)), last.getInt32(8, true), last.getFloat32(16, true)];
  if (String(found) !== String([2 ** 45 + i, 0 - i, i / 2])) wrong++;
  litter();
}
await tf.setBackend("cuda");
const x = tf.ones([64, 64]);
const y = tf.relu(tf.matMul(x, x));
const read = [(await y.data()).length, y.dataSync().length, tf.getBackend()];
console.log(`${wrong} of 20 launches handed over something else; read ${read}`);
process.exit(wrong || String(read) !== "4096,4096,cuda" ? 1 : 0);
