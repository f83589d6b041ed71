// Machines that are lost, each a launcher with its ranks killed at once, over a real nats-server. Elastic: the run goes on with half
// the ranks, and with all of them once another machine comes. With a spare: that one takes the place of the lost one. No hand
// touches the run; its losses are those of one that nobody disturbed.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lossError } from "@orthant/testing";
import { TestServer } from "@orthant/testing/nats-server";
import { Program, until } from "../faults/processes.ts";
import type { Job } from "./job.ts";
import { ended, nextStep, patience } from "./killed.ts";
import { command, type Result, script } from "./transports.ts";

/** What losses may be off by on another mesh. */
const tolerance = 1e-5;
/** ms from where a loss is noticed to the next step. */
const limit = 60_000;

interface Stage {
  readonly url: string;
  readonly run: string;
  readonly job: Job;
  readonly programs: Program[];
}

/** Starts a machine. */
function machine({ url, run, job, programs }: Stage, ...options: readonly string[]): Program {
  const place = ["--ranks", "4", "--nodes", "2", "--nats", url, "--run", run, "--restarts", "3"];
  const program = new Program([command, "run", ...place, ...options, script, JSON.stringify(job)]);
  programs.push(program);
  return program;
}

/** The launcher that shows a step from `from` on, which is that of rank 0. */
const rootOf = (programs: readonly Program[], from: number): Promise<Program> =>
  until(`step ${from} of any machine`, patience, () =>
    programs.find(({ lines }) => lines.some(({ text }) => Number(/^step (\d+) /.exec(text)?.[1] ?? -1) >= from)),
  );

/** How often a launcher said that it starts the run again. */
const starts = ({ lines }: Program): number => lines.filter(({ text }) => / starts .* again /.test(text)).length;

/** Kills a machine. Resolves, once another does steps, to what to say of the ms until then. */
async function kill(lost: Program, lives: Program): Promise<string> {
  const before = starts(lives);
  lost.endAll();
  const death = Date.now();
  await until(`a word of the loss from:\n${lives.tail()}\n`, patience, () => starts(lives) > before);
  const noticed = Date.now();
  const next = (await nextStep(lives, noticed)) - noticed;
  if (next > limit)
    throw new Error(`the next step came ${next} ms after the loss was noticed, and ${limit} is the most`);
  return `noticed after ${noticed - death} ms, the next step ${next} ms later`;
}

/** Prints a line; `far` is what losses may be off by. Returns 1 where the result is not as it should be. */
function judge(what: string, { firstStep, losses }: Result, expected: Result, far: number): number {
  const error = lossError(losses, expected.losses.slice(firstStep));
  const ok = error <= far && losses.length > 0 && firstStep + losses.length === expected.losses.length;
  console.log(`${ok ? "ok  " : "FAIL"} ${what}: from step ${firstStep} on losses off by ${error.toExponential(1)}`);
  return ok ? 0 : 1;
}

/** Half of the ranks are lost, others come in their place, and the half with rank 0 is lost: to the end with the rest. */
async function shrunk(stage: Stage, expected: Result): Promise<number> {
  const two = [machine(stage, "--elastic"), machine(stage, "--elastic")];
  const first = await rootOf(two, 5);
  const half = await kill(two.find((one) => one !== first)!, first);
  const third = machine(stage, "--elastic");
  await third.said(/^pid /, patience);
  const again = starts(first);
  await nextStep(first, Date.now());
  const rest = await kill(first, third);
  const result = await ended(third);
  console.log(`     half of 4 ranks lost: ${half}; another machine came: start ${again}; rank 0's half lost: ${rest}`);
  return judge("elastic, 4 ranks, 2, 4 and 2", result, expected, tolerance);
}

/** A third machine waits and takes the place of a lost one: on the same layout, the same bits. */
async function replaced(stage: Stage, expected: Result): Promise<number> {
  const three = [machine(stage), machine(stage), machine(stage)];
  const root = await rootOf(three, 5);
  await until("two machines that train", patience, () => three.filter(({ pids }) => pids.size > 2).length === 2);
  const idle = three.find(({ pids }) => pids.size === 1)!;
  const times = await kill(three.find((one) => one !== root && one !== idle)!, root);
  const result = await ended(root);
  await until("the spare to end", patience, () => idle.ended !== undefined);
  const same = result.weights === expected.weights && idle.pids.size > 1 && idle.ended === 0;
  const what = `a spare machine took the place of a lost one, ${times}; ${same ? "equal" : "other"} parameters`;
  return judge(what, result, expected, 0) || (same ? 0 : 1);
}

/** Runs a case beside a server of its own. Returns 1 where it failed. */
async function staged(run: (stage: Stage, expected: Result) => Promise<number>): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), "orthant-machines-"));
  const server = await TestServer.start();
  const job: Job = { optimizer: "adamw", steps: 80, every: 3, keep: 3, async: true, dir: "", slow: 10, tell: true };
  const programs: Program[] = [];
  try {
    const alone = new Program([
      script,
      JSON.stringify({ ...job, dir: join(dir, "alone"), slow: 0, transport: "memory", tell: false }),
    ]);
    const expected = await ended(alone);
    const name = `machines-${crypto.randomUUID().slice(0, 8)}`;
    return await run({ url: server.url, run: name, job: { ...job, dir: join(dir, "run") }, programs }, expected);
  } finally {
    for (const program of programs) program.endAll();
    await server.stop();
    rmSync(dir, { recursive: true });
  }
}

/** Loses machines and gains one. Prints what it saw; returns how many cases failed. */
export const elastic = (): Promise<number> => staged(shrunk);

/** Loses a machine that another replaces. Prints what it saw; returns how many cases failed. */
export const spare = (): Promise<number> => staged(replaced);
