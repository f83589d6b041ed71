// A run of four processes, undisturbed or attacked, and what can be said of it afterwards.
import { env } from "node:process";
import { setTimeout } from "node:timers/promises";
import type { Program, Scene } from "../faults/processes.ts";
import { until } from "../faults/processes.ts";
import { runName } from "../faults/runs.ts";
import { Attacker } from "./attacker.ts";
import type { Attack } from "./attacks.ts";
import type { HostileJob } from "./rank.ts";

const [size, steps] = [4, 24];
/** The secret of the runs. */
const own: string = crypto.randomUUID();
/** The step in which an attack begins, and the one at whose end the ranks stand until it is over. */
const [begins, stands] = [2, 12];
/** ms that processes may take to start, on a machine that does other things. */
export const patience = 180_000;
/** ms after an attack in which ranks say what they saw: more than a heartbeat. */
const after = 1500;

export interface Outcome {
  readonly losses: string;
  /** Largest memory of each rank, KiB. */
  readonly memory: readonly number[];
  /** Messages refused, of all ranks, and lines on standard error. */
  readonly refused: number;
  readonly warnings: readonly string[];
  readonly sent: number;
}

/** Starts a process a rank; `secret` is theirs in place of that of the environment, "" for none. */
export function startRanks(scene: Scene, servers: string, job: Partial<HostileJob> = {}, secret = own): Program[] {
  const run = runName();
  const of = (rank: number): HostileJob => ({ servers, run, rank, epoch: 0, steps, stands, ...job });
  if (secret === "") delete env.ORTHANT_SECRET;
  else env.ORTHANT_SECRET = secret;
  const ranks = Array.from({ length: size }, (_, rank) =>
    scene.start("tests/hostile/rank.ts", JSON.stringify(of(rank))),
  );
  env.ORTHANT_SECRET = own;
  return ranks;
}

/** Trains while an attack is made, and goes on after that. */
export async function trained(scene: Scene, servers: string, attack?: Attack): Promise<Outcome> {
  const run = runName();
  const attacker = await Attacker.connect(servers, run);
  scene.defer(() => attacker.close());
  const secret = attack?.open ? "" : own;
  if (attack?.follows) {
    await ended(startRanks(scene, servers, { run, stands: -1 }, secret));
    attacker.turnPage();
  }
  const ranks = startRanks(scene, servers, { run }, secret);
  await ranks[0]?.said(new RegExp(`^step ${begins}$`), patience);
  if (attack?.standing) {
    await standing(ranks);
    await setTimeout(after);
  }
  await attack?.run(attacker);
  await attacker.flush();
  await setTimeout(after);
  await standing(ranks);
  for (const rank of ranks) rank.signal("SIGUSR2");
  await ended(ranks);
  return { ...outcome(ranks), sent: attacker.sent };
}

/** Resolves once a rank stands; those that wait for it stand with it. */
export async function standing(ranks: readonly Program[]): Promise<void> {
  await Promise.any(ranks.map((rank) => rank.said(new RegExp(`^step ${stands}$`), patience)));
}

export async function ended(ranks: readonly Program[]): Promise<void> {
  await until("all ranks to end", patience, () => ranks.every(({ ended }) => ended !== undefined));
  const failed = ranks.find(({ ended }) => ended !== 0);
  if (failed) throw new Error(`rank ${ranks.indexOf(failed)} ended with ${failed.ended}:\n${failed.tail()}`);
}

const wordOf = (rank: Program, word: string): string =>
  rank.lines.find(({ text }) => text.startsWith(`${word} `))?.text.slice(word.length + 1) ?? "";

function outcome(ranks: readonly Program[]): Omit<Outcome, "sent"> {
  const counts = ranks.map((rank) => JSON.parse(wordOf(rank, "counts")) as Record<string, number>);
  return {
    losses: wordOf(ranks[0] as Program, "losses"),
    memory: ranks.map((rank) => Number(wordOf(rank, "memory"))),
    refused: counts.reduce((sum, { refused = 0 }) => sum + refused, 0),
    warnings: ranks.flatMap(({ lines }) => lines.map(({ text }) => text).filter((text) => /Warning: run/.test(text))),
  };
}
