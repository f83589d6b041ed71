// What the cases train: the model of examples/06-three-d.ts with the example's own options, or one as small as can be with
// every kind of action in its schedule. And what a process of a case is told.
import { adamw, type Mesh, type Op, type TrainOptions } from "@orthant/core";
import { pipeline } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import { tinyGpt, tinySequences } from "@orthant/testing";
import { zero } from "@orthant/zero";

/** Where a rank can be killed. */
export type Moment = Op | "world.control" | "update" | "meeting";

export interface Job {
  /** "three-d" is that of the example. */
  readonly model: "three-d" | "tiny";
  /** Mesh of the tiny model. */
  readonly mesh?: Mesh;
  readonly steps: number;
  /** How this process reaches the others; the launcher's way, or all ranks in this process, where absent. */
  readonly nats?: { readonly servers: readonly string[]; readonly run: string; readonly rank: number };
  /** Kills itself in this action of step 2. */
  readonly dies?: { readonly rank: number; readonly moment: Moment };
  /** Never goes on once it is to enter what this key opens. */
  readonly hangs?: { readonly rank: number; readonly key: string };
  /** ms that a rank waits for another, where not the default. */
  readonly stall?: number;
  /** Blocks its thread at the end of step 2. */
  readonly blocks?: { readonly rank: number; readonly ms: number };
  /** All other ranks send this to one from step 2 on, beside the training. */
  readonly ballast?: { readonly rank: number; readonly frames: number; readonly bytes: number };
  /** Bytes. */
  readonly credit?: number;
}

type Shelf = Record<symbol, unknown>;

/** The options that the example hands to `train`, taken the way `orthant plan` takes them. */
function exampleOptions(): Promise<TrainOptions> {
  const { promise, resolve, reject } = Promise.withResolvers<TrainOptions>();
  const [shelf, name] = [globalThis as Shelf, Symbol.for("orthant.intercept")];
  shelf[name] = async (options: TrainOptions) => {
    delete shelf[name];
    resolve(options);
  };
  import("../../examples/06-three-d.ts").catch(reject);
  return promise;
}

function tinyOptions(mesh: Mesh): Omit<TrainOptions, "steps"> {
  return {
    model: tinyGpt(),
    data: tinySequences(),
    batch: 8,
    mesh: { pp: 1, dp: 1, tp: 1, ...mesh },
    strategies: [tensorParallel(), pipeline({ schedule: "1f1b", micros: 2 }), zero({ stage: 3, gather: "step" })],
    optimizer: adamw({ lr: 0.01 }),
    clip: 1,
  };
}

export async function optionsOf({ model, mesh = {}, steps }: Job): Promise<TrainOptions> {
  const options = model === "three-d" ? await exampleOptions() : tinyOptions(mesh);
  return { ...options, steps, run: false, quiet: true };
}
