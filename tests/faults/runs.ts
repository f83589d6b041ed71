// Runs of a job: all its ranks in one process, as the reference; a process a rank, started here; or by `orthant run`.
import { meshSize } from "@orthant/core";
import type { Job } from "./job.ts";
import { type Program, type Scene, until } from "./processes.ts";

/** ms that processes may take to start and meet, on a machine that does other things. */
export const patience = 60_000;

export const runName = (): string => `fault-${crypto.randomUUID().slice(0, 8)}`;

const sizeOf = ({ model, mesh = {} }: Job): number => (model === "three-d" ? 8 : meshSize(mesh));

/** `train.ts` and `orthant`, from the repository's root. */
const [script, command] = ["tests/faults/train.ts", "packages/cli/bin/orthant.js"];

/** A process a rank; `servers` of each. */
export function startRanks(scene: Scene, job: Job, servers: (rank: number) => readonly string[]): Program[] {
  const run = runName();
  const jobOf = (rank: number): Job => ({ ...job, nats: { servers: servers(rank), run, rank } });
  return Array.from({ length: sizeOf(job) }, (_, rank) => scene.start(script, JSON.stringify(jobOf(rank))));
}

/** `orthant run` of a job, as one node of it. */
export function launch(scene: Scene, job: Job, words: readonly string[]): Program {
  return scene.start(command, "run", "--ranks", String(sizeOf(job)), ...words, script, JSON.stringify(job));
}

/** The losses of the same job with all ranks in one process, as text with all digits. */
export async function reference(scene: Scene, { model, mesh, steps }: Job): Promise<string> {
  const program = scene.start(script, JSON.stringify({ model, mesh, steps }));
  const [, losses = ""] = await program.said(/^losses (.*)$/, patience);
  return losses;
}

/** All ranks at their end: exit codes 0, and the losses of the reference to the last bit. Returns their number. */
export async function checkLosses(ranks: readonly Program[], expected: string): Promise<string> {
  await until("all ranks to end", patience, () => ranks.every(({ ended }) => ended !== undefined));
  const failed = ranks.find(({ ended }) => ended !== 0);
  if (failed) throw new Error(`rank ${ranks.indexOf(failed)} ended with ${failed.ended}:\n${failed.tail()}`);
  const [, losses = ""] = (await ranks[0]?.said(/^losses (.*)$/, 1000)) ?? [];
  const [got, want] = [losses, expected].map((text) => JSON.parse(text) as number[]) as [number[], number[]];
  const differs = want.findIndex((loss, i) => !Object.is(loss, got[i]));
  if (differs >= 0 || got.length !== want.length)
    throw new Error(`step ${differs}: loss ${got[differs]}, in process ${want[differs]}`);
  return `${got.length} losses equal, all ${ranks.length} ranks ended with 0`;
}

/** ms from `when`, on the wall clock, until no process of `programs` is alive. Throws after `limit`. */
export async function gone(programs: readonly Program[], when: number, limit: number): Promise<number> {
  await until("no process to be left", limit, () => programs.every(({ left }) => left.length === 0));
  const took = Date.now() - when;
  await until("the last words", 1000, () => programs.every(({ ended }) => ended !== undefined));
  return took;
}
