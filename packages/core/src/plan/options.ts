// What a user decides about a training job, but for what carries it, and the checks that need no model: refused before
// anything starts. `train.ts` adds the transport.
import { chosen } from "../devices/choose.ts";
import { checkDevice, type DeviceChoice } from "../devices/device.ts";
import { axisSize, type Mesh } from "../mesh.ts";
import type { AnyModel, Data } from "../model/model.ts";
import type { Optimizer } from "../params/optimizer.ts";
import { world } from "../transports/key.ts";
import { checkKinds } from "./kinds.ts";
import { checkRuntime } from "./runtime.ts";
import type { Strategy } from "./strategy.ts";

/** Options of `train({ checkpoint })`: when and where a run saves. */
export interface CheckpointOptions {
  /** Steps from one to the next. */
  readonly every: number;
  /** How many stay, the newest. All by default. */
  readonly keep?: number;
  /** Steps go on while files are written, from a copy in host memory. */
  readonly async?: boolean;
  /** Folder in place of the run's own. Ranks on machines that do not share it send and get their parts over the transport. */
  readonly dir?: string;
}

/** What a job is: model, data, mesh, strategies, optimizer. Options of `plan`, and a part of those of `train` and `run`. */
export interface JobOptions {
  readonly model: AnyModel;
  readonly data: Data;
  /** Samples per optimizer step, over the whole mesh. */
  readonly batch: number;
  /** One rank where this is absent. */
  readonly mesh?: Mesh;
  /** Their order is that in which they cut parameters and reduce gradients. */
  readonly strategies?: readonly Strategy[];
  readonly optimizer: Optimizer;
  /** Optimizer steps. */
  readonly steps: number;
  /** Microbatches per step on each rank: gradient accumulation, where no strategy says otherwise. 1 by default. */
  readonly micros?: number;
  /** Names first values, samples and random numbers. 0 by default. */
  readonly seed?: number;
  /** Gradients are scaled down to this global norm, over all axes. No clipping where this is absent. */
  readonly clip?: number;
  /** Runs each segment's forward again in backward instead of keeping what it saved (activation checkpointing). */
  readonly recompute?: boolean;
  /**
   * Device bytes that no rank may pass, by the count of `Meter`: `plan` refuses what would, and a rank ends that does. No cap
   * where this is absent.
   */
  readonly capBytes?: number;
  /** Saves parameters, optimizer state and position as the run goes, and at its end. No checkpoints where this is absent. */
  readonly checkpoint?: CheckpointOptions;
  /**
   * Goes on from a checkpoint: parameters, optimizer state, step and samples, on whatever mesh and strategies this run has. A
   * path names one, or the folder of a run, whose latest it is. `true`: from the latest of this run's own folder, `run` or
   * `checkpoint.dir`, and from the start where there is none.
   */
  readonly resume?: true | string;
  /**
   * Starts from these values in place of the model's own, by parameter: those of a run before, say. What is not among them starts as
   * the model says.
   */
  readonly weights?: ReadonlyMap<string, Float32Array>;
  /**
   * Brings the whole parameters together in the result, on rank 0: for models that fit the memory of one. By default they stay on their
   * ranks, and in the last checkpoint.
   */
  readonly collect?: boolean;
  /** Where tensors are computed. "auto" by default: the device that ORTHANT_DEVICE names, else the first that works. */
  readonly device?: DeviceChoice;
  /** Number format of matrix products, in the device's words: cuda has "fp32", "tf32" and "bf16". The device's own choice by default. */
  readonly precision?: string;
  /** Folder of the run under `runs/`; a time stamp by default. `false` writes nothing. */
  readonly run?: string | false;
  /** Files beside `metrics.jsonl`, `trace.json` and `loss.svg` in the run's folder: "tensorboard" is an event file of scalars. */
  readonly report?: readonly "tensorboard"[];
  /** No progress on the terminal. */
  readonly quiet?: boolean;
}

const known = [
  "model",
  "data",
  "batch",
  "mesh",
  "strategies",
  "optimizer",
  "steps",
  "micros",
  "seed",
  "clip",
  "recompute",
  "capBytes",
  "checkpoint",
  "resume",
  "weights",
  "collect",
  "device",
  "precision",
  "transport",
  "run",
  "report",
  "quiet",
] satisfies (keyof JobOptions | "transport")[];

/** Refuses options that no model could make right. */
export function checkOptions(options: JobOptions): void {
  checkRuntime();
  const unknown = Object.keys(options).filter((name) => !(known as string[]).includes(name));
  if (unknown.length) throw new Error(`train() has no option ${unknown.join(", ")}; it has ${known.join(", ")}`);
  for (const name of ["model", "data", "batch", "optimizer", "steps"] as const)
    if (options[name] === undefined) throw new Error(`train() needs the option ${name}`);
  checkKinds(options);
  for (const name of ["batch", "steps", "micros"] as const) checkCount(name, options[name] ?? 1);
  checkDevice(options.device ?? "auto");
  checkDevice(chosen(options.device), "ORTHANT_DEVICE: ");
  checkCheckpoints(options);
  checkMesh(options.mesh ?? {}, options.strategies ?? []);
}

const checkpointOptions = ["every", "keep", "async", "dir"] satisfies (keyof CheckpointOptions)[];

function checkCheckpoints({ checkpoint, resume, run }: JobOptions): void {
  if (checkpoint) {
    const unknown = Object.keys(checkpoint).filter((name) => !(checkpointOptions as string[]).includes(name));
    if (unknown.length)
      throw new Error(`checkpoint has no option ${unknown.join(", ")}; it has ${checkpointOptions.join(", ")}`);
    checkCount("checkpoint.every", checkpoint.every);
    checkCount("checkpoint.keep", checkpoint.keep ?? 1);
    if (run === false && checkpoint.dir === undefined)
      throw new Error("run: false makes no folder for checkpoints: name one with checkpoint.dir");
  }
  if (resume === true && typeof run !== "string" && checkpoint?.dir === undefined)
    throw new Error('resume: true needs to know where: give the run a name, run: "first-try", or resume a path');
}

function checkCount(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) throw new Error(`${name} is ${value}; it must be a whole number from 1`);
}

function checkMesh(mesh: Mesh, strategies: readonly Strategy[]): void {
  for (const [axis, size] of Object.entries(mesh)) checkCount(`mesh axis ${axis}`, size);
  const odd = Object.keys(mesh).find((axis) => !/^[\w-]+$/.test(axis));
  if (odd !== undefined)
    throw new Error(`mesh axis "${odd}": a name is made of letters, digits, _ and -, for messages open with it`);
  if (world in mesh) throw new Error(`no mesh axis can be named ${world}: messages among all ranks have that name`);
  for (const { name, axis } of strategies)
    if (axis !== undefined && !(axis in mesh))
      throw new Error(
        `${name}() is about axis ${axis}, which the mesh { ${showMesh(mesh)} } lacks: add ${axis}: 1 or more, or drop it`,
      );
  for (const axis of Object.keys(mesh))
    if (axisSize(mesh, axis) > 1 && !strategies.some((s) => s.axis === axis))
      throw new Error(
        `the mesh has ${axis} ${mesh[axis]} and no strategy is about ${axis}: add one to strategies, or drop the axis`,
      );
  checkWires(strategies);
  checkTwice(strategies);
  const bases = strategies.filter(({ base }) => base).map(({ name, axis }) => `${name}(${axis ?? ""})`);
  if (bases.length > 1)
    throw new Error(`${bases.join(" and ")} both say where values rest (offload): let one of them do it`);
}

/** One that divides something is refused with what it divides, by `rolesOf`. */
function checkTwice(strategies: readonly Strategy[]): void {
  const shared = strategies.filter(({ divides }) => divides === undefined);
  for (const [i, { name, axis }] of shared.entries())
    if (shared.slice(0, i).some((other) => other.name === name && other.axis === axis))
      throw new Error(`${name}() is listed twice${axis === undefined ? "" : ` along ${axis}`}: keep one`);
}

function checkWires(strategies: readonly Strategy[]): void {
  for (const { name, axis, wire } of strategies) {
    if (!wire) continue;
    if (axis === undefined)
      throw new Error(`${name}() has a wire and names no axis: give it the axis whose bytes it carries`);
    const wires = strategies.filter((s) => s.wire && s.axis === axis).map((s) => `${s.name}()`);
    if (wires.length > 1) throw new Error(`axis ${axis} has ${wires.length} wires, ${wires.join(" and ")}: keep one`);
  }
}

export const showMesh = (mesh: Mesh): string =>
  Object.entries(mesh)
    .map(([axis, size]) => `${axis}: ${size}`)
    .join(", ");
