// One of eight ranks, a process each over NATS, killed by SIGKILL at random moments, saves included, under `orthant run --restarts`,
// and the launcher itself: the run ends with the losses and parameters of one that nobody disturbed. Prints the time from a death to
// the next step done.
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { uniformInt } from "@orthant/core";
import { alive, Program, until } from "../faults/processes.ts";
import type { Job } from "./job.ts";
import { command, type Result, resultOf, script } from "./transports.ts";

/** ms that processes may take to start and meet, on a machine that does other things. */
export const patience = 300_000;
/** ms from a death to the next step, at most; a machine that others share (CI) is not held to it. */
const limit = 5000;
const lenient = process.env.CI !== undefined || process.env.KILLS !== undefined;
/** ms that a step takes, and within which after a step a rank is killed. */
const [slow, spread] = [10, 400];

const launch = (job: Job, restarts: number): Program =>
  new Program([command, "run", "--ranks", "8", "--restarts", String(restarts), script, JSON.stringify(job)]);

/** Times at which steps ended, in ms since 1970. */
const stepsOf = (program: Program): number[] =>
  program.lines.flatMap(({ text }) => {
    const [, at] = /^step \d+ at (\d+)$/.exec(text) ?? [];
    return at ? [Number(at)] : [];
  });

export const nextStep = (program: Program, after: number): Promise<number> =>
  until(
    `a step from:\n${program.tail()}\n`,
    patience,
    () => stepsOf(program).find((at) => at > after) ?? endOf(program),
  );

/** Throws where the program has ended in disorder. */
function endOf(program: Program): undefined {
  if (program.ended) throw new Error(`orthant run ended with ${program.ended}:\n${program.tail()}`);
  return undefined;
}

export const ended = async (program: Program): Promise<Result> => {
  await until("the run to end", patience, () => program.ended !== undefined);
  endOf(program);
  return resultOf(program.lines.map(({ text }) => text).join("\n"));
};

function sameAs({ firstStep, losses, weights }: Result, expected: Result): boolean {
  const same = JSON.stringify(losses) === JSON.stringify(expected.losses.slice(firstStep));
  return same && weights === expected.weights && losses.length > 0;
}

const draw = (seed: number, below: number): number => uniformInt([seed, 1], 0, below);

/** Folders of steps that are being written. */
const unfinished = (dir: string): string[] =>
  existsSync(dir) ? readdirSync(dir).filter((name) => /^step-\d+\.partial$/.test(name)) : [];

/** Waits for a random moment, or, every second time, for a save. */
async function moment(kill: number, dir: string): Promise<void> {
  if (kill % 2 === 0) return setTimeout(draw(kill, spread));
  await until("a save", patience, () => unfinished(dir).length > 0, 0);
}

/** Kills a rank. Resolves, once there is a step again, to the ms until then, and whether a save was cut off. */
async function killOne(program: Program, kill: number, dir: string): Promise<{ ms: number; saving: boolean }> {
  await nextStep(program, Date.now());
  await moment(kill, dir);
  const ranks = [...program.pids].filter((pid) => pid !== program.pid && alive(pid));
  if (!ranks.length) throw new Error(`nobody is left to be killed:\n${program.tail()}`);
  process.kill(ranks[draw(kill + 1000, ranks.length)]!, "SIGKILL");
  const death = Date.now();
  await until("all ranks to end", patience, () => ranks.every((pid) => !alive(pid)));
  const saving = unfinished(dir).length > 0;
  return { ms: (await nextStep(program, Date.now())) - death, saving };
}

async function killRanks(job: Job, kills: number, expected: Result): Promise<number> {
  const program = launch(job, kills);
  try {
    const seen: { ms: number; saving: boolean }[] = [];
    for (let kill = 0; kill < kills; kill++) seen.push(await killOne(program, kill, job.dir));
    const same = sameAs(await ended(program), expected);
    const times = seen.map(({ ms }) => ms).toSorted((a, b) => a - b);
    const cut = seen.filter(({ saving }) => saving).length;
    const shown = `${times[times.length >> 1]} ms at the median, ${times.at(-1)} at most`;
    const isQuick = times.at(-1)! <= limit;
    console.log(
      `${same ? "ok  " : "FAIL"} ${kills} of 8 ranks killed in turn, ${cut} of them in a save: ${same ? "the same" : "other"} losses and parameters`,
    );
    console.log(
      `${isQuick || lenient ? "ok  " : "FAIL"} from a death to the next step ${shown}; ${limit} ms are the most`,
    );
    return (same ? 0 : 1) + (isQuick || lenient ? 0 : 1);
  } finally {
    program.endAll();
  }
}

async function killLauncher(job: Job, expected: Result): Promise<number> {
  const first = launch(job, 1);
  try {
    await until("a checkpoint", patience, () => existsSync(join(job.dir, "latest")) || endOf(first));
    await setTimeout(draw(7, spread) + 1000);
    first.signal("SIGKILL");
    await until("all ranks to end", patience, () => first.left.length === 0);
  } finally {
    first.endAll();
  }
  const second = launch({ ...job, resume: true }, 1);
  try {
    const result = await ended(second);
    const same = sameAs(result, expected);
    console.log(
      `${same ? "ok  " : "FAIL"} the launcher killed and started again at step ${result.firstStep}: ${same ? "the same" : "other"} losses and parameters`,
    );
    return same ? 0 : 1;
  } finally {
    second.endAll();
  }
}

/** Prints a line a case. Returns how many failed. */
export async function killed(kills = 20): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), "orthant-killed-"));
  const steps = 30 + 15 * kills;
  const job: Job = {
    optimizer: "adamw",
    steps,
    every: 3,
    keep: 3,
    async: true,
    dir: join(dir, "ranks"),
    slow,
    tell: true,
    eight: true,
  };
  try {
    const alone = new Program([
      script,
      JSON.stringify({ ...job, dir: join(dir, "alone"), slow: 0, transport: "memory", tell: false }),
    ]);
    const expected = await ended(alone);
    return (
      (await killRanks(job, kills, expected)) + (await killLauncher({ ...job, dir: join(dir, "launcher") }, expected))
    );
  } finally {
    rmSync(dir, { recursive: true });
  }
}
