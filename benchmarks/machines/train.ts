// What the machines benchmark times over two network namespaces: 4 ranks, in two levels where MACHINE says so.
import { env } from "node:process";
import { sgd, train } from "@orthant/core";
import { arrays, mlp } from "@orthant/nn";
import { zero } from "@orthant/zero";

const rows = Array.from({ length: 8 }, (_, i) => Array.from({ length: 16 }, (_, j) => Math.sin(16 * i + j)));
const machine = Number(env.MACHINE);

await train({
  model: mlp({ inputs: 16, outputs: 16, layers: 8, width: 64 }),
  data: arrays({ inputs: rows, targets: rows }),
  batch: 4,
  mesh: { dp: 4 },
  strategies: [zero({ stage: 2, ...(machine > 0 && { machine }) })],
  optimizer: sgd({ lr: 1e-3 }),
  steps: 10,
  run: env.RUN_NAME!,
  quiet: true,
});
