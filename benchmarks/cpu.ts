// `npm run bench -- cpu`: forward and backward against stock tfjs, two ranks against one, the trainer against a
// hand-written loop. Every figure is a ratio from one run: sides take turns, and a round compares their fastest steps, which
// is what is left of a step where neighbours on the machine do not disturb it.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { adamw, memory, plan, type StepReport, useFastGradients } from "@orthant/core";
import { runRanks } from "@orthant/core/internal";
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { batch, benchModel, sizes } from "./cpu-model.ts";
import { stockGpt } from "./cpu-stock.ts";
import { anyWeights, batchTensors } from "./devices/inputs.ts";
import { handLoop } from "./hand.ts";

const execute = promisify(execFile);
const tokens = batch * sizes.context;
const median = (xs: readonly number[]) => xs.toSorted((a, b) => a - b)[xs.length >> 1]!;

async function timed(run: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await run();
  return performance.now() - from;
}

/** Both sides of one round: the milliseconds of their fastest steps. */
type Round = readonly [over: number, under: number];

/** Prints the median over rounds of each round's ratio; false where it misses the target. */
function report(what: string, rounds: readonly Round[], [sign, bar]: [">=" | "<=", number]): boolean {
  const ratios = rounds.map(([over, under]) => over / under);
  const ratio = median(ratios);
  const met = sign === ">=" ? ratio >= bar : ratio <= bar;
  const [over, under] = [0, 1].map((side) => median(rounds.map((round) => round[side]!)).toFixed(0));
  const spread = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
  const verdict = `${met ? "meets" : "MISSES"} ${sign} ${bar}`;
  console.log(
    `${what}: ${over} ms / ${under} ms = ${ratio.toFixed(2)} (${spread} over ${rounds.length} rounds; ${verdict})`,
  );
  return met;
}

async function againstStock(count: number): Promise<boolean> {
  const { input, target } = await batchTensors();
  const stock = stockGpt(sizes);
  const ours = handLoop(benchModel().model, anyWeights(), adamw({ lr: 1e-3 }));
  const rounds: Round[] = [];
  for (let round = 0; round <= count; round++) {
    const slow = await timed(async () => (await stock.step(input, target).data())[0]);
    const restore = useFastGradients();
    rounds.push([slow, await timed(() => ours.step(input, target, 1 / tokens, false))]);
    restore();
  }
  tf.dispose([input, target]);
  stock.dispose();
  ours.dispose();
  return report("forward and backward, stock tfjs / ours", rounds.slice(1), [">=", 6]);
}

async function trainerAgainstHand(count: number): Promise<boolean> {
  const restore = useFastGradients();
  const rounds: Round[] = [];
  for (let round = 0; round < count; round++)
    rounds.push([Math.min(...(await trainerSteps(4)).slice(1)), Math.min(...(await handSteps(4)).slice(1))]);
  restore();
  return report("a step, trainer / hand-written loop", rounds, ["<=", 1.05]);
}

async function trainerSteps(steps: number): Promise<number[]> {
  const options = { ...benchModel(), optimizer: adamw({ lr: 1e-3 }), steps };
  const ms: number[] = [];
  const events = { onStep: (report: StepReport) => void ms.push(report.ms) };
  await runRanks(memory(), { options, plan: await plan(options), events, stop: new AbortController().signal });
  return ms;
}

async function handSteps(steps: number): Promise<number[]> {
  const loop = handLoop(benchModel().model, anyWeights(), adamw({ lr: 1e-3 }));
  const ms: number[] = [];
  for (let step = 0; step < steps; step++) {
    const { input, target } = await batchTensors();
    ms.push(await timed(() => loop.step(input, target, 1 / tokens, true)));
    tf.dispose([input, target]);
  }
  loop.dispose();
  return ms;
}

/** Fastest step of a job of `dp` ranks in a process of its own, ms. */
async function fastest(dp: number): Promise<number> {
  const job = new URL("./cpu-job.ts", import.meta.url).pathname;
  const { stdout } = await execute(process.execPath, [job], { env: { ...process.env, DP: `${dp}` } });
  return Math.min(...(JSON.parse(stdout.trim().split("\n").at(-1)!) as number[]).slice(1));
}

/** Also two jobs of one rank at once, that exchange nothing: what the machine gives to two of anything. */
async function twoAgainstOne(count: number): Promise<boolean> {
  const rounds: (readonly [one: number, two: number, apart: number])[] = [];
  for (let round = 0; round < count; round++)
    rounds.push([await fastest(1), await fastest(2), Math.max(...(await Promise.all([fastest(1), fastest(1)])))]);
  const apart = median(rounds.map(([one, , both]) => (2 * one) / both));
  console.log(
    `two jobs of one rank at once, nothing exchanged: ${apart.toFixed(2)} of one's steps (the machine's own limit)`,
  );
  const met = rounds.map(([one, two]): Round => [one, two]);
  return report("a step, one rank / two ranks (dp 2, threads)", met, [">=", 1.7]);
}

await tf.setBackend("wasm");
const parts = [() => againstStock(3), () => twoAgainstOne(7), () => trainerAgainstHand(7)];
const met: boolean[] = [];
for (const part of parts) met.push(await part());
process.exitCode = met.every(Boolean) ? 0 : 1;
