// Who is told to end, and how; what then must be seen.
import { setTimeout } from "node:timers/promises";
import type { Started } from "./started.ts";
import type { Job } from "./train.ts";

/** How the training is started: by the launcher, in a terminal, by npx, or as a script of its own. */
export type Way = "orthant" | "orthant in a terminal" | "npx in a terminal" | "npx" | "node" | "node in a terminal";

export interface Case {
  readonly who: string;
  readonly told: string;
  readonly way: Way;
  /** Options of the launcher. */
  readonly options?: string;
  readonly job?: Partial<Job>;
  /** Once this is said, `act`. */
  readonly when: RegExp;
  act(started: Started): Promise<void> | void;
  /** Exit code, or the signal that ended it; undefined where nobody is there to ask. */
  readonly code?: number | string;
  readonly says?: RegExp;
  /** Whether metrics and trace must be whole. */
  readonly whole: boolean;
}

const trains = /step +\d+\/\d+ /;
/** The second sample that a rank draws is of its first step: the first tells whether all have the same data. */
const bothInStep = /\[(\d)\] \d+ draws 2$.*\[(?!\1)\d\] \d+ draws 2$/ms;

const tell =
  (name: NodeJS.Signals) =>
  ({ pid }: Started): void =>
    void process.kill(pid, name);

async function tellRank(started: Started, name: NodeJS.Signals): Promise<void> {
  const [, pid] = await started.until(/^\[1\] pid (\d+)$/m);
  process.kill(Number(pid), name);
}

async function twice(act: () => void): Promise<void> {
  act();
  await setTimeout(700);
  act();
}

/** A signal by its name and code. */
const signals = [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const;

const stopped = (name: string): RegExp =>
  new RegExp(`stopped by ${name}( to rank \\d)? after step \\d+ of \\d+; metrics and trace are complete`);

const each = (who: string, way: Way, options?: string): Case[] =>
  signals.map(([name, code]) => ({
    who,
    told: name,
    way,
    ...(options && { options }),
    when: trains,
    act: tell(name),
    code,
    says: stopped(name),
    whole: true,
  }));

const launcher: Case[] = [
  ...each("launcher", "orthant"),
  {
    who: "launcher, in a long step",
    told: "SIGINT twice",
    way: "orthant",
    job: { slow: 4000 },
    when: bothInStep,
    act: (started) => twice(() => tell("SIGINT")(started)),
    code: 130,
    says: /orthant run: ended by a second SIGINT/,
    whole: false,
  },
  {
    who: "launcher",
    told: "SIGKILL",
    way: "orthant",
    when: trains,
    act: tell("SIGKILL"),
    code: "SIGKILL",
    whole: false,
  },
  {
    who: "launcher, in a long step",
    told: "SIGHUP",
    way: "orthant",
    job: { slow: 10_000 },
    when: bothInStep,
    act: tell("SIGHUP"),
    code: 129,
    says: /orthant run: stopped by SIGHUP/,
    whole: false,
  },
  {
    who: "launcher, a rank is late",
    told: "SIGTERM",
    way: "orthant",
    job: { late: [1] },
    when: /\[1\] pid/,
    act: (started) => setTimeout(1000).then(() => tell("SIGTERM")(started)),
    code: 143,
    says: /stopped by SIGTERM before the first step|orthant run: stopped by SIGTERM/,
    whole: true,
  },
  {
    who: "nobody, a rank is late",
    told: "nothing",
    way: "orthant",
    job: { late: [1] },
    when: /\[1\] pid/,
    act: (started) => started.until(/orthant run: rank 0/).then(() => {}),
    code: 1,
    says: /no word of rank 1 in 60000 ms.*\[1\] had to be killed 4 s later: does the script await something before train\(\)/,
    whole: true,
  },
  {
    who: "one rank",
    told: "SIGTERM",
    way: "orthant",
    when: trains,
    act: (started) => tellRank(started, "SIGTERM"),
    code: 143,
    says: /stopped by SIGTERM to rank 1 after step \d+ of \d+; metrics and trace are complete/,
    whole: true,
  },
  {
    who: "one rank",
    told: "SIGKILL",
    way: "orthant",
    when: trains,
    act: (started) => tellRank(started, "SIGKILL"),
    code: 137,
    says: /orthant run: rank 1 was killed by SIGKILL/,
    whole: true,
  },
  ...["deno", "bun"].flatMap((runtime): Case[] => [
    ...each(`launcher, ranks on ${runtime}`, "orthant", `--runtime ${runtime}`).slice(1, 2),
    {
      who: `launcher, ranks on ${runtime}`,
      told: "SIGKILL",
      way: "orthant",
      options: `--runtime ${runtime}`,
      when: trains,
      act: tell("SIGKILL"),
      code: "SIGKILL",
      whole: false,
    },
  ]),
];

const threads: Case[] = [
  ...each("launcher --threads", "orthant", "--threads"),
  {
    who: "launcher --threads",
    told: "SIGKILL",
    way: "orthant",
    options: "--threads",
    when: trains,
    act: tell("SIGKILL"),
    code: "SIGKILL",
    whole: false,
  },
];

const typed = (started: Started): void => started.type("\x03");

const terminal = (who: string, way: Way): Case[] => [
  { who, told: "Ctrl-C", way, when: trains, act: typed, code: 130, says: stopped("SIGINT"), whole: true },
  { who, told: "terminal closed", way, when: trains, act: tell("SIGKILL"), code: "SIGKILL", whole: true },
];

/** All that belongs to a run stands still, as on a machine that sleeps; awake again, nobody blames anybody. */
async function sleep(started: Started, ms: number): Promise<void> {
  const all = started.look();
  for (const pid of all) process.kill(pid, "SIGSTOP");
  await setTimeout(ms);
  for (const pid of all) process.kill(pid, "SIGCONT");
  await setTimeout(5000);
  tell("SIGINT")(started);
}

const others: Case[] = [
  ...terminal("launcher", "orthant in a terminal"),
  ...terminal("npx", "npx in a terminal"),
  { who: "npx alone", told: "SIGTERM", way: "npx", when: trains, act: tell("SIGTERM"), whole: true },
  { who: "npx alone", told: "SIGKILL", way: "npx", when: trains, act: tell("SIGKILL"), code: "SIGKILL", whole: true },
  {
    who: "a machine that slept for 40 s",
    told: "SIGINT",
    way: "orthant",
    when: trains,
    act: (started) => sleep(started, 40_000),
    code: 130,
    says: stopped("SIGINT"),
    whole: true,
  },
  ...each("node train.ts", "node"),
  ...terminal("node train.ts", "node in a terminal"),
];

export const cases: readonly Case[] = [...launcher, ...threads, ...others];
