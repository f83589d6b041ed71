// What a run leaves behind and shows while it goes: a folder with metrics and trace, and a line of progress.
// Decides which of them are wanted; each is a file of its own here.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Evaluation } from "../params/optimizer.ts";
import type { JobOptions } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";
import type { RankEvents, StepReport } from "../rank/events.ts";
import { Curve, drawCurve } from "./curve.ts";
import { metrics, speedName } from "./metrics.ts";
import { type Output, progress } from "./progress.ts";
import { speedOf } from "./speed.ts";
import { tensorboard } from "./tensorboard.ts";
import { trace } from "./trace.ts";

/** What `openRun` needs to know of a run. */
export interface RunOptions {
  readonly options: JobOptions;
  readonly plan: Plan;
  /** Where the line of progress goes. */
  readonly out: Output;
  /** Folder of all runs: `runs` by default. */
  readonly root?: string;
  /** Number of the first step: above 0 where the run goes on from a checkpoint. */
  readonly firstStep?: number;
  /** The run was started before, and goes on in its folder. */
  readonly again?: boolean;
}

/** A run whose files are open. */
export interface Run {
  /** What the ranks call as they go: only what a file or the line of progress wants to hear. */
  readonly events: RankEvents;
  /** Folder of the files; undefined where `run` is false. */
  readonly dir: string | undefined;
  /** Completes line and files, after success and failure alike; call it any number of times. */
  close(): void;
}

/** Makes the folder of a run and opens its files. Throws on a run name that is no folder name, and on one that was used before. */
export function openRun({ options, plan, out, root = "runs", firstStep = 0, again = false }: RunOptions): Run {
  const dir = options.run === false ? undefined : openRunFolder(root, options, again || options.resume === true);
  const line = options.quiet ? undefined : progress({ steps: options.steps, speed: speedOf(options), out });
  const from = firstStep ? `-from-${firstStep}` : "";
  const slices = dir
    ? trace(join(dir, `trace${from}.json`), plan, performance.timeOrigin + performance.now())
    : undefined;
  const parts: Part[] = [
    ...(dir
      ? [metrics(join(dir, "metrics.jsonl"), options, plan, firstStep), curveIn(join(dir, `loss${from}.svg`), options)]
      : []),
    ...(dir && options.report?.includes("tensorboard") ? [scalarsIn(dir, options)] : []),
    ...(line ? [line] : []),
  ];
  const events: RankEvents = {
    ...(parts.length > 0 && {
      onStep: (report) => parts.forEach((part) => void part.step(report)),
      onEvaluation: (evaluation) => parts.forEach((part) => void part.evaluated(evaluation)),
    }),
    ...(slices && { onActions: slices.actions }),
  };
  const close = () => {
    for (const part of parts) part.close?.();
    slices?.close();
  };
  return { events, dir, close };
}

/** What hears of steps and evaluations: a file, or the line of progress. */
interface Part {
  step(report: StepReport): void;
  evaluated(evaluation: Evaluation): void;
  close?(): void;
}

/** `loss.svg`, drawn at the end. */
function curveIn(path: string, { model }: JobOptions): Part {
  const curve = new Curve();
  const evaluations: Evaluation[] = [];
  return {
    step: ({ step, loss }) => curve.add(step + 1, loss),
    evaluated: (evaluation) => void evaluations.push(evaluation),
    close() {
      const { points } = curve;
      if (points.length) writeFileSync(path, drawCurve(`${model.name}: loss`, points, evaluations));
    },
  };
}

/** Scalars for TensorBoard, by steps done. */
function scalarsIn(dir: string, options: JobOptions): Part {
  const speed = speedOf(options);
  const write = tensorboard(dir);
  return {
    step({ step, loss, norm, lr, ms, held, auxiliary }) {
      const others = Object.entries(auxiliary).map(([name, value]) => [`auxiliary/${name}`, value]);
      const rate = { [speedName(speed)]: (1000 * speed.count) / ms, heldBytes: held };
      write(step + 1, { loss, norm, lr, ...rate, ...Object.fromEntries(others) });
    },
    evaluated: ({ step, loss }) => write(step + 1, { evaluation: loss }),
  };
}

/** Makes the folder of a run; one that `continues` in its own folder finds it there. */
function openRunFolder(root: string, { run, model }: JobOptions, continues: boolean): string {
  if (typeof run !== "string") return makeFolder(root, undefined, model.name);
  checkName(root, run);
  const own = join(root, run);
  return continues && existsSync(own) ? own : makeFolder(root, run, model.name);
}

function checkName(root: string, name: string): void {
  if (/[/\\]/.test(name) || ["", ".", ".."].includes(name))
    throw new Error(`run: "${name}" is no folder name: it becomes a folder in ${root}, such as run: "first-try"`);
}

/** Makes the folder of a run, never using one that is there. Without a name: `2026-01-31T12-00-00-gpt`, in UTC. */
function makeFolder(root: string, name: string | undefined, model: string): string {
  mkdirSync(root, { recursive: true });
  if (name === undefined) return stampedFolder(root, model);
  if (makeNew(join(root, name))) return join(root, name);
  throw new Error(
    `${join(root, name)} is there already, and a run never overwrites another: choose another name, delete that ` +
      "folder, or leave out run for a time stamp",
  );
}

function stampedFolder(root: string, model: string): string {
  const stamp = new Date().toISOString().slice(0, "2026-01-31T12:00:00".length).replaceAll(":", "-");
  const base = join(root, `${stamp}-${model.replace(/[^\w.-]+/g, "-")}`);
  let dir = base;
  for (let again = 2; !makeNew(dir); again++) dir = `${base}-${again}`; // another run of the same second
  return dir;
}

/** Makes a folder and returns true; false where it exists. */
function makeNew(dir: string): boolean {
  try {
    mkdirSync(dir);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}
