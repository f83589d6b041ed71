// Trains on a token file of 1 GiB and prints what the process holds beside the model: `npm run test:tokens`. The file is sparse, with a
// few tokens written here and there, so it takes no such space on the disk.
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memory, run, sgd } from "@orthant/core";
import { gpt, tokens } from "@orthant/nn";
import * as tf from "@tensorflow/tfjs";

const limit = 100e6; // bytes beside the model
const bytes = 2 ** 30;
const folder = mkdtempSync(join(tmpdir(), "orthant-tokens-"));
const path = join(folder, "gigabyte.bin");
const fd = openSync(path, "w");
ftruncateSync(fd, bytes);
for (let at = 0; at < bytes; at += 2 ** 20) writeSync(fd, Uint16Array.of(at / 2 ** 20, 7, 11), 0, 6, at);
closeSync(fd);

const context = 256;
const session = (data: ReturnType<typeof tokens>, steps: number) =>
  run({
    model: gpt({ layers: 1, width: 32, heads: 2, context, vocab: 1024 }),
    data,
    batch: 8,
    optimizer: sgd({ lr: 0.01 }),
    steps,
    transport: memory(),
    run: false,
    quiet: true,
  });

/** Most bytes that the process held at the end of a step, and the losses. */
async function peak(data: ReturnType<typeof tokens>, steps: number): Promise<{ rss: number; last: number }> {
  let rss = 0;
  let last = Number.NaN;
  const loop = await session(data, steps);
  for await (const { loss } of loop) {
    rss = Math.max(rss, process.memoryUsage().rss);
    last = loss;
  }
  await loop.close();
  return { rss, last };
}

/** The same windows made of nothing: what the model, tfjs and the runtime hold. */
const made = tokens(path, { context });
const nothing = { ...made, sample: () => ({ input: new Int32Array(context), target: new Int32Array(context) }) };

const alone = await peak(nothing, 20);
const read = await peak(made, 100);
const beside = read.rss - alone.rss;
const mb = (n: number) => `${(n / 1e6).toFixed(0)} MB`;
console.log(
  `a token file of ${mb(statSync(path).size)}: ${mb(read.rss)} at most, of which ${mb(alone.rss)} without it: ${mb(Math.max(0, beside))} beside the model`,
);
console.log(`800 windows of ${context} tokens, loss ${read.last.toFixed(3)}; ${tf.memory().numTensors} tensors left`);
rmSync(folder, { recursive: true });
if (beside > limit || !Number.isFinite(read.last)) {
  console.error(`more than ${mb(limit)}, or no loss`);
  process.exitCode = 1;
}
