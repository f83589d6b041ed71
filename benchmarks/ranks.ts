// `npm run bench -- ranks`: what a step costs as ranks become many, all in one thread on the memory host: messages of the
// rank that sends most, and CPU time. A tiny model with data parallelism alone, so that the exchange is what there is to see.
// Each number of ranks has a process of its own and, after the first step, as much work. Ends with 1 where the control exchange
// takes over 2 log2 N messages, or the first step or the later ones of 256 ranks over 20 times those of 16.
import { execFileSync } from "node:child_process";
import { argv, cpuUsage, execPath } from "node:process";
import { type Endpoint, memory, plan, sgd, type TrainOptions } from "@orthant/core";
import { runRanks } from "@orthant/core/internal";
import { mlp } from "@orthant/nn";
import { zero } from "@orthant/zero";
import { callOfKey } from "../packages/core/src/transports/key.ts";

const field = (size: number) => ({ shape: [size], dtype: "float32" }) as const;

const optionsFor = (ranks: number, steps: number): TrainOptions => ({
  model: mlp({ inputs: 4, outputs: 1, layers: 1, width: 8 }),
  data: {
    input: field(4),
    target: field(1),
    tokens: 1,
    sample: (i) => ({ input: Float32Array.of(i % 7, i % 5, i % 3, 1), target: Float32Array.of(i % 2) }),
  },
  batch: ranks,
  mesh: { dp: ranks },
  strategies: [zero({ stage: 0 })],
  optimizer: sgd({ lr: 1e-3 }),
  steps,
});

/** Messages by rank, of one call or of all. */
class Tally {
  readonly #sent = new Map<string, number>();

  /** Counts what an endpoint sends, once a receiver. */
  readonly wrap = (inner: Endpoint): Endpoint => ({
    ...inner,
    send: (to, key, frame) => {
      for (const call of [callOfKey(key), "all"]) {
        const name = `${call} ${inner.rank}`;
        this.#sent.set(name, (this.#sent.get(name) ?? 0) + to.length);
      }
      return inner.send(to, key, frame);
    },
  });

  fullest(call: string): number {
    return Math.max(...[...this.#sent].filter(([name]) => name.startsWith(`${call} `)).map(([, count]) => count));
  }
}

interface Row {
  readonly ranks: number;
  /** Messages of the rank that sends most, in a step. */
  readonly control: number;
  readonly all: number;
  /** ms of CPU of the run's first step, with its start, and of those after it, on average: some collect garbage. */
  readonly first: number;
  readonly later: number;
}

/** CPU time of this process so far, in ms. */
function now(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1000;
}

/** Trains in this process; as many steps as come to 1024 ranks' work, beside the first. */
async function measure(ranks: number): Promise<Row> {
  const steps = 1 + 1024 / ranks;
  const options = optionsFor(ranks, steps);
  const tally = new Tally();
  const job = { options, plan: await plan(options), stop: new AbortController().signal };
  const ends = [now()];
  await runRanks(memory({ wrap: tally.wrap }), { ...job, events: { onStep: () => void ends.push(now()) } });
  const [began, first] = ends as [number, number];
  const later = (ends.at(-1)! - first) / (steps - 1);
  return {
    ranks,
    control: tally.fullest("world.control") / steps,
    all: tally.fullest("all") / steps,
    first: first - began,
    later,
  };
}

/** The same in a process of its own. */
const rowOf = (ranks: number): Row =>
  JSON.parse(
    execFileSync(execPath, [import.meta.filename, `${ranks}`], { encoding: "utf8" })
      .trim()
      .split("\n")
      .at(-1)!,
  );

/** Prints one row; false where it misses a bound. */
function report({ ranks, control, all, first, later }: Row, of16: Row): boolean {
  const bound = 2 * Math.log2(ranks);
  const times = [first / of16.first, later / of16.later] as const;
  const met = control <= bound && (ranks !== 256 || Math.max(...times) <= 20);
  const cells = [ranks, control, bound, all, first.toFixed(0), times[0].toFixed(1)];
  cells.push(later.toFixed(0), times[1].toFixed(1), met ? "" : "MISSES");
  console.log(cells.map((cell) => `${cell}`.padStart(9)).join(""));
  return met;
}

function table(): boolean {
  const rows = [4, 16, 64, 256, 1024].map(rowOf);
  const of16 = rows.find(({ ranks }) => ranks === 16)!;
  console.log("messages in a step of the rank that sends most; ms of CPU of a step of all ranks, and times that of 16");
  console.log("    ranks  control  2 log2 N     all    first   / of 16    later   / of 16");
  return rows.map((row) => report(row, of16)).every(Boolean);
}

const [ranks] = argv.slice(2);
if (ranks) console.log(JSON.stringify(await measure(Number(ranks))));
else process.exitCode = table() ? 0 : 1;
