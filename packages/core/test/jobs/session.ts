// A run over threads that its own loop drives, as a process of its own: reads a parameter between steps and leaves early.
import { adamw, run, threads } from "@orthant/core";
import { arrays, mlp } from "@orthant/nn";
import { zero } from "@orthant/zero";

const data = arrays({ inputs: [[0], [1], [2], [3]], targets: [[1], [3], [5], [7]] });
const session = await run({
  model: mlp({ inputs: 1, outputs: 1, layers: 1, width: 4 }),
  data,
  batch: 4,
  mesh: { dp: 4 },
  strategies: [zero({ stage: 3 })],
  optimizer: adamw({ lr: 0.01 }),
  steps: 100,
  transport: threads({ workers: 2 }),
  run: false,
  quiet: true,
  collect: true,
});
const name = "in.weight";
const seen: number[][] = [[...(await session.parameter(name)).values]];
for await (const { step } of session) {
  seen.push([...(await session.parameter(name)).values]);
  if (step === 2) break;
}
const { losses, weights } = await session.close();
console.log(JSON.stringify({ losses: losses.length, seen, last: [...weights.get(name)!] }));
