// The folder of a run's checkpoints: one folder a step, made under another name and renamed when all of it is on the disk, then
// named in `latest`. Names that are read back are names of steps, or refused.
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { flushFolder, reasonOf, replaceFile, writeFlushed } from "./disk.ts";
import { encodeState, parseState, type State } from "./state.ts";

const LATEST = "latest";
const STATE = "state.json";
/** What the name of a folder ends with that is not whole, or no longer. */
const PARTIAL = ".partial";

/** Name of a step's folder: `step-000100`, after 100 steps. */
export const stepName = (step: number): string => `step-${String(step).padStart(6, "0")}`;

/** Steps of a folder's name; undefined where it is none. */
function stepOf(name: string): number | undefined {
  const found = /^step-(\d{6,15})$/.exec(name);
  return found ? Number(found[1]) : undefined;
}

/** Where the shards of a step are written until it is whole. */
export const partialFolder = (folder: string, step: number): string => join(folder, `${stepName(step)}${PARTIAL}`);

/** Names a file by which ranks tell that they see one folder. */
export const tokenFile = (): string => `run-${crypto.randomUUID()}${PARTIAL}`;

/** Whether a name is of something that an earlier run left unfinished. */
const isLeft = (name: string): boolean =>
  name.endsWith(PARTIAL) && (stepOf(name.split(".")[0]!) !== undefined || /^run-[\da-f-]{36}\./.test(name));

/** Makes the folder, and removes what an earlier run left unfinished. Throws where it cannot be written. */
export async function openFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    for (const name of await readdir(folder)) if (isLeft(name)) await rm(join(folder, name), { recursive: true });
    const trial = join(folder, `trial${PARTIAL}`);
    await rm(trial, { force: true });
    await writeFlushed(trial, new Uint8Array(0));
    await rm(trial);
  } catch (cause) {
    throw new Error(`checkpoint: cannot write in ${folder}: ${reasonOf(cause)}; name another with checkpoint.dir`, {
      cause,
    });
  }
}

/** Names a step whose shards are all written: from now on it is the latest, whatever happens. Returns its folder. */
export async function commit(folder: string, state: State): Promise<string> {
  const partial = partialFolder(folder, state.step);
  const path = join(folder, stepName(state.step));
  try {
    await writeFlushed(join(partial, STATE), new TextEncoder().encode(encodeState(state)));
    await flushFolder(partial);
    await moveAside(path);
    await rename(partial, path);
    await flushFolder(folder);
  } catch (cause) {
    throw new Error(`checkpoint: cannot write ${path}: ${reasonOf(cause)}`, { cause });
  }
  await replaceFile(join(folder, LATEST), `${stepName(state.step)}\n`);
  await rm(`${path}.before${PARTIAL}`, { recursive: true, force: true });
  return path;
}

/** Moves a folder of the same step, of an earlier try, out of the way. */
async function moveAside(path: string): Promise<void> {
  const aside = `${path}.before${PARTIAL}`;
  await rm(aside, { recursive: true, force: true });
  await rename(path, aside).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "ENOENT") throw cause;
  });
}

/** Removes what is older than the newest `keep` steps up to `step`. */
export async function prune(folder: string, step: number, keep: number): Promise<void> {
  const steps = (await readdir(folder)).map(stepOf).filter((at) => at !== undefined && at <= step) as number[];
  for (const old of steps.toSorted((a, b) => b - a).slice(keep))
    await rm(join(folder, stepName(old)), { recursive: true, force: true });
}

/** A checkpoint on the disk. */
export interface Found {
  readonly path: string;
  readonly state: State;
}

const isMissing = (cause: unknown): boolean =>
  ["ENOENT", "ENOTDIR"].includes((cause as NodeJS.ErrnoException).code ?? "");

async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch((cause) => {
    if (isMissing(cause)) return undefined;
    throw new Error(`checkpoint: cannot read ${path}: ${reasonOf(cause)}`, { cause });
  });
}

/** Reads the state of the checkpoint at `path`: its own folder, or that of a run, whose latest it is; undefined where there is none. */
export async function findCheckpoint(path: string): Promise<Found | undefined> {
  const text = await readIfThere(join(path, STATE));
  if (text !== undefined) return { path, state: parseState(join(path, STATE), text) };
  const latest = await readIfThere(join(path, LATEST));
  if (latest === undefined) return undefined;
  return findNamed(path, latest.trimEnd());
}

async function findNamed(folder: string, name: string): Promise<Found> {
  const latest = join(folder, LATEST);
  if (stepOf(name) === undefined)
    throw new Error(
      `${latest} names ${JSON.stringify(name.slice(0, 80))}, which is no folder of a step, such as ${stepName(100)}`,
    );
  const path = join(folder, name);
  const text = await readIfThere(join(path, STATE));
  if (text === undefined) throw new Error(`${latest} names ${name}, and there is no ${join(path, STATE)}`);
  return { path, state: parseState(join(path, STATE), text) };
}
