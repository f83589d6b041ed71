// A stream gives every rank its samples: the same losses on one device, on ranks of one thread that divide the batch, and along a
// pipeline, whose last stage asks for targets after the first has asked for inputs.
import { memory, sgd, type TrainOptions, train } from "@orthant/core";
import { mlp, stream } from "@orthant/nn";
import { pipeline } from "@orthant/pipeline";
import { zero } from "@orthant/zero";
import { expect, test } from "vitest";

async function* waves() {
  for (let i = 0; ; i++) {
    if (i % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
    yield { input: Float32Array.of(Math.sin(i), Math.cos(i)), target: Float32Array.of(Math.sin(2 * i)) };
  }
}

const losses = async (options: Partial<TrainOptions>) => {
  const { losses } = await train({
    model: mlp({ inputs: 2, outputs: 1, layers: 2, width: 8 }),
    data: stream(waves, {
      input: { shape: [2], dtype: "float32" },
      target: { shape: [1], dtype: "float32" },
      ahead: 3,
    }),
    batch: 8,
    steps: 6,
    optimizer: sgd({ lr: 0.05 }),
    transport: memory(),
    run: false,
    quiet: true,
    ...options,
  });
  return losses;
};

test("the same samples on every mesh", async () => {
  const alone = await losses({});
  const others = [
    await losses({ mesh: { dp: 4 }, strategies: [zero({ stage: 3 })] }),
    await losses({
      mesh: { pp: 2, dp: 2 },
      strategies: [pipeline({ schedule: "1f1b", micros: 2 }), zero({ stage: 1 })],
    }),
  ];
  for (const found of others)
    for (const [step, loss] of found.entries()) expect(loss / alone[step]! - 1).toBeCloseTo(0, 5);
});
