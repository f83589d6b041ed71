// What a save asks of the disk: a shard's files, and naming the step. Done in this thread, or in one of its own: steps compute without
// a pause, and what waits for the disk among them would come forward once a step.
import { Worker } from "node:worker_threads";
import { type Vectors, writeExtra } from "./extra.ts";
import { commit, prune } from "./folder.ts";
import { type Checksums, sourceIn, writeParts } from "./parts.ts";
import type { Part, ShardKind } from "./shards.ts";
import type { State, StoredExtra } from "./state.ts";

export interface ShardJob {
  readonly kind: "shard";
  readonly paths: Readonly<Record<ShardKind, string>>;
  readonly parts: readonly Part[];
  /** All values, as `copyParts` lays them out. */
  readonly memory: ArrayBuffer;
}

export interface ExtraJob {
  readonly kind: "extra";
  readonly path: string;
  readonly vectors: Vectors;
}

export interface CommitJob {
  readonly kind: "commit";
  readonly folder: string;
  readonly state: State;
  readonly keep: number;
}

export type DiskJob = ShardJob | ExtraJob | CommitJob;

/** What a thread answers; a shard's memory comes back to be used again. */
export interface DiskAnswer {
  readonly checksums?: readonly Checksums[];
  readonly memory?: ArrayBuffer;
  readonly extra?: readonly Omit<StoredExtra, "rank">[];
  readonly error?: string;
}

/** Does a job. */
export async function doJob(job: DiskJob): Promise<DiskAnswer> {
  if (job.kind === "shard") {
    const { paths, parts, memory } = job;
    return { checksums: await writeParts(paths, parts, sourceIn(parts, memory, new Map())), memory };
  }
  if (job.kind === "extra") return { extra: await writeExtra(job.path, job.vectors) };
  await commit(job.folder, job.state);
  await prune(job.folder, job.state.step, job.keep);
  return {};
}

/** A thread for such jobs, started with the first. It keeps the process alive while it has one. */
export class DiskThread {
  #worker: Worker | undefined;
  readonly #asked: PromiseWithResolvers<DiskAnswer>[] = [];

  /** Resolves to the answer. Takes a shard's memory. Rejects where the job fails, and where the thread ends. */
  ask(job: DiskJob): Promise<DiskAnswer> {
    this.#worker ??= this.#start();
    const asked = Promise.withResolvers<DiskAnswer>();
    this.#asked.push(asked);
    this.#worker.ref();
    this.#worker.postMessage(job, job.kind === "shard" ? [job.memory] : []);
    return asked.promise;
  }

  #start(): Worker {
    // Flags of this program, such as --eval, are not the thread's.
    const worker = new Worker(new URL("./disk-thread.ts", import.meta.url), { execArgv: [] });
    worker.on("message", (answer: DiskAnswer) => {
      const asked = this.#asked.shift();
      if (this.#asked.length === 0) worker.unref();
      if (answer.error === undefined) asked?.resolve(answer);
      else asked?.reject(new Error(answer.error));
    });
    const lose = (error: Error) => {
      for (const { reject } of this.#asked.splice(0)) reject(error);
    };
    worker.on("error", lose);
    worker.on("exit", () => lose(new Error("the thread that writes checkpoints ended before it was done")));
    return worker;
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = undefined;
  }
}
