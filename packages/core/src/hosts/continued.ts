// Where a run's checkpoints go, and the one that it goes on from: found and checked in the process of rank 0, before any rank starts.
import { dirname, join, resolve } from "node:path";
import { type Found, findCheckpoint } from "../checkpoint/folder.ts";
import { checkMatch } from "../checkpoint/match.ts";
import type { JobOptions } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";

/** Folder of all runs, from the working directory. */
export const RUNS = "runs";

/** The run's own folder of checkpoints, where it is known before the run starts. */
function ownFolder({ checkpoint, run }: JobOptions): string | undefined {
  return checkpoint?.dir ?? (typeof run === "string" ? join(RUNS, run) : undefined);
}

/** Refuses a run that could not be started again where it was. */
export function checkRestarts(options: JobOptions): void {
  if (options.checkpoint && ownFolder(options) !== undefined) return;
  throw new Error(
    "orthant run --restarts goes on from the latest checkpoint: give train() the option checkpoint, such as { every: 100 }, and " +
      'the run a name, run: "first-try"',
  );
}

/**
 * Finds the checkpoint that `resume` asks for, or, where the run is started `again`, its own latest; undefined where it begins.
 * Throws where there must be one, and where it does not fit.
 */
export async function findResumed(options: JobOptions, plan: Plan, again = false): Promise<Found | undefined> {
  const own = ownFolder(options);
  const latest = again ? await findCheckpoint(own!) : undefined;
  if (latest) checkMatch(latest, options, plan);
  return latest ?? findAsked(options, plan, own);
}

async function findAsked(options: JobOptions, plan: Plan, own: string | undefined): Promise<Found | undefined> {
  const { resume, checkpoint } = options;
  const path = resume === true ? own! : resume;
  if (path === undefined) return refuseUsed(checkpoint?.dir);
  const found = await findCheckpoint(path);
  if (!found && resume !== true)
    throw new Error(`resume: there is no checkpoint in ${path}: it has no state.json and no latest`);
  if (found) checkMatch(found, options, plan);
  if (checkpoint?.dir !== undefined && (!found || !isWithin(found, checkpoint.dir))) await refuseUsed(checkpoint.dir);
  return found;
}

const isWithin = ({ path }: Found, folder: string): boolean => dirname(resolve(path)) === resolve(folder);

/** Keeps two histories out of one folder. */
async function refuseUsed(folder: string | undefined): Promise<undefined> {
  const found = folder === undefined ? undefined : await findCheckpoint(folder);
  if (found)
    throw new Error(
      `checkpoint.dir: ${folder} has checkpoints of another run: go on from them with resume: ${JSON.stringify(folder)}, or name ` +
        "another folder",
    );
  return undefined;
}
