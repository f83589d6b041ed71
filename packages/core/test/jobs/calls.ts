// A script of five calls: a sweep of three, one of which fails, a second phase from the best one's weights, and a session with a loop and
// evaluations, left early. TRANSPORT says where ranks live; without it, as under `orthant run`, none fails, since that ends all
// processes there. What happens once is printed once.
import { adamw, memory, run, type Transport, threads, train } from "@orthant/core";
import { arrays, mlp } from "@orthant/nn";
import { pipeline } from "@orthant/pipeline";
import { zero } from "@orthant/zero";

const { TRANSPORT } = process.env;
const transports: Readonly<Record<string, Transport>> = { memory: memory(), threads: threads({ workers: 2 }) };
const data = arrays({ inputs: [[0], [1], [2], [3]], targets: [[1], [3], [5], [7]] });
const options = (lr: number, steps: number) => ({
  model: mlp({ inputs: 1, outputs: 1, layers: 3, width: 4 }),
  data,
  batch: 8,
  mesh: { pp: 2, dp: 2 },
  strategies: [pipeline({ schedule: "1f1b", micros: 2 }), zero({ stage: 3 })],
  optimizer: adamw({ lr }),
  steps,
  run: false as const,
  quiet: true,
  collect: true,
  ...(TRANSPORT && { transport: transports[TRANSPORT] as Transport }),
});

const sweep: { lr: number; loss: number; weights?: ReadonlyMap<string, Float32Array> }[] = [];
for (const lr of [0.001, ...(TRANSPORT ? [1e38] : []), 0.01]) {
  try {
    const { losses, weights, replayed } = await train(options(lr, 3));
    sweep.push({ lr, loss: losses.at(-1)!, weights });
    if (!replayed) console.log(JSON.stringify({ lr, losses }));
  } catch {
    sweep.push({ lr, loss: Number.POSITIVE_INFINITY });
  }
}
const [best] = sweep.sort((a, b) => a.loss - b.loss);
const second = await train({ ...options(best!.lr, 3), weights: best!.weights! });
if (!second.replayed) console.log(JSON.stringify({ second: second.losses }));

const session = await run(options(0.001, 100));
const seen: number[] = [];
for await (const { step } of session) {
  seen.push(await session.evaluate(data, 8));
  if (step === 2) break;
}
const third = await session.close();
if (!third.replayed) console.log(JSON.stringify({ third: third.losses, seen }));

const { losses, evaluations } = await train({
  ...options(0.001, 3),
  evaluate: { data, every: 1, samples: 8 },
});
console.log(JSON.stringify({ last: losses, evaluations: evaluations.map(({ loss }) => loss) }));
