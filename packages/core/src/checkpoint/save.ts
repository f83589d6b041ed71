// Saves a step: every rank writes its own shard, the first rank waits for all and names the step. Nothing is gathered but
// checksums. In the background where that is asked for: the step then waits for a copy in host memory alone.
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Seen } from "../params/optimizer.ts";
import type { Plan } from "../plan/plan.ts";
import type { Endpoint } from "../transports/endpoint.ts";
import { toFrameOfJson, toJson } from "../transports/frames.ts";
import { messageKey, world } from "../transports/key.ts";
import { reasonOf } from "./disk.ts";
import { DiskThread, doJob } from "./disk-work.ts";
import { copyVectors, extraFile, writeExtra } from "./extra.ts";
import { partialFolder } from "./folder.ts";
import { bytesOfParts, type Checksums, copyParts, type Source, sourceIn, tensorsOf, writeParts } from "./parts.ts";
import { type StoredSeen, toStored } from "./seen.ts";
import { type Shard, type ShardKind, shardFile, shardsOf } from "./shards.ts";
import type { State, StoredExtra } from "./state.ts";
import { patiently, received, sendParts } from "./travel.ts";

export interface SaverOptions {
  readonly plan: Plan;
  readonly endpoint: Endpoint;
  readonly folder: string;
  /** What a state says of the run; `step` and what is stored are added. */
  readonly run: Omit<State, "step" | "samples" | "shards" | "tensors" | "seen">;
  /** Steps whose checkpoints stay. */
  readonly keep: number;
  /** Ranks that do not see the folder: the first writes their shards. */
  readonly apart: readonly number[];
  /** Whether steps go on while files are written. */
  readonly background: boolean;
}

/** What a rank says of its shard. */
interface Report {
  readonly parts?: readonly Checksums[];
  readonly extra?: readonly Omit<StoredExtra, "rank">[];
  /** Why it could not be written. */
  readonly error?: string;
}

export class Saver {
  readonly #options: SaverOptions;
  readonly #shards: readonly Shard[];
  /** Where files are written in the background, and what waits to be: used again by each save. */
  readonly #thread = new DiskThread();
  #memory: ArrayBuffer | undefined;
  #writing: Promise<void> = Promise.resolve();
  #failure: unknown;
  /** What the run saw up to the save that goes on; the first rank's. */
  #kept: StoredSeen | undefined;
  /** Steps of the last save that began. */
  #begun = 0;

  constructor(options: SaverOptions) {
    this.#options = options;
    this.#shards = shardsOf(options.plan, options.run.optimizer.slots);
  }

  /**
   * Saves what there is after `step` steps; called on every rank. Resolves when all of it is on the disk and named, or, in the
   * background, when it is copied. Rejects, on every rank, with what went wrong on any, now or in the save before.
   */
  async save(step: number, source: Source, seen: Seen): Promise<void> {
    await this.finish();
    if (step === this.#begun) return;
    this.#begun = step;
    const { background, endpoint } = this.#options;
    const given = background ? await this.#copy(source) : source;
    this.#kept = endpoint.rank === 0 ? toStored(seen) : undefined;
    this.#writing = this.#write(step, given).catch((cause) => {
      this.#failure = cause;
    });
    if (!background) await this.finish();
  }

  async #copy(source: Source): Promise<Source> {
    const parts = this.#mine?.parts ?? [];
    this.#memory ??= new ArrayBuffer(bytesOfParts(parts));
    await copyParts(parts, source, this.#memory);
    return sourceIn(parts, this.#memory, copyVectors(await source.extra()));
  }

  /** Ends what goes on in the background. */
  close = (): Promise<void> => this.#thread.close();

  /** Throws what went wrong in the background. */
  check(): void {
    if (this.#failure) throw this.#failure;
  }

  /** Waits until nothing is being written. */
  async finish(): Promise<void> {
    await this.#writing;
    this.check();
  }

  get #mine(): Shard | undefined {
    return this.#shards.find(({ rank }) => rank === this.#options.endpoint.rank);
  }

  async #write(step: number, source: Source): Promise<void> {
    const { endpoint } = this.#options;
    const key = messageKey(world, "checkpoint", `step ${step}`);
    if (endpoint.rank === 0) return this.#writeFirst(step, source, key);
    await this.#writeOther(step, source, key);
    const { error } = toJson<Report>(await patiently(() => endpoint.recv(0, key)));
    if (error) throw new Error(error);
  }

  async #writeOther(step: number, source: Source, key: string): Promise<void> {
    const { endpoint, apart } = this.#options;
    if (apart.includes(endpoint.rank)) return sendParts(endpoint, step, this.#mine?.parts ?? [], source);
    await endpoint.send([0], key, toFrameOfJson(await this.#writeRank(endpoint.rank, step, source)));
  }

  /** Writes what a rank has: its shard, where it writes one, and its extra state. */
  async #writeRank(rank: number, step: number, source: Source): Promise<Report> {
    const folder = partialFolder(this.#options.folder, step);
    try {
      await mkdir(folder, { recursive: true });
      const shard = this.#shards.find((one) => one.rank === rank);
      const parts = shard && (await this.#writeShard(shard, folder, source));
      const path = join(folder, extraFile(rank, this.#options.plan.ranks.length));
      const vectors = await source.extra();
      const inThread = vectors.size > 0 && this.#options.background;
      const extra = inThread
        ? (await this.#thread.ask({ kind: "extra", path, vectors })).extra
        : await writeExtra(path, vectors);
      return { ...(parts && { parts }), ...(extra?.length && { extra }) };
    } catch (cause) {
      return { error: reasonOf(cause) };
    }
  }

  #writeShard(shard: Shard, folder: string, source: Source): Promise<readonly Checksums[]> {
    const at = this.#shards.indexOf(shard);
    const pathOf = (kind: ShardKind) => join(folder, shardFile(kind, at, this.#shards.length));
    const paths = { model: pathOf("model"), optimizer: pathOf("optimizer") };
    if (shard === this.#mine && this.#memory) return this.#writeMemory(paths, this.#memory);
    return writeParts(paths, shard.parts, source);
  }

  async #writeMemory(paths: Record<ShardKind, string>, memory: ArrayBuffer): Promise<readonly Checksums[]> {
    this.#memory = undefined; // it is the thread's, until it comes back
    const done = await this.#thread.ask({ kind: "shard", paths, parts: this.#mine!.parts, memory });
    this.#memory = done.memory;
    return done.checksums!;
  }

  /** Makes a rank's report on the first one, writing its files where it cannot. */
  async #report(rank: number, step: number, source: Source, key: string): Promise<Report> {
    const { endpoint, apart, run } = this.#options;
    if (rank === 0) return this.#writeRank(rank, step, source);
    if (!apart.includes(rank)) return toJson<Report>(await patiently(() => endpoint.recv(rank, key)));
    return this.#writeRank(rank, step, received(endpoint, rank, step, run.optimizer.slots));
  }

  /** Hears from all ranks, names the step, and tells them. */
  async #writeFirst(step: number, source: Source, key: string): Promise<void> {
    const { endpoint, folder, plan } = this.#options;
    const reports = await Promise.all(plan.ranks.map(({ rank }) => this.#report(rank, step, source, key)));
    const error = reports.find((report) => report.error)?.error ?? (await this.#commit(step, reports));
    if (error) await rm(partialFolder(folder, step), { recursive: true, force: true }).catch(() => {});
    const others = plan.ranks.map(({ rank }) => rank).filter((rank) => rank !== 0);
    if (others.length) await endpoint.send(others, key, toFrameOfJson({ error }));
    if (error) throw new Error(error);
  }

  /** Names the step; returns what went wrong. */
  async #commit(step: number, reports: readonly Report[]): Promise<string | undefined> {
    const { folder, run, keep, background } = this.#options;
    const checksums = this.#shards.map(({ rank }) => reports[rank]!.parts!);
    const extra = reports.flatMap((report, rank) => (report.extra ?? []).map((one) => ({ rank, ...one })));
    const state: State = {
      ...run,
      step,
      samples: step * run.batch,
      shards: this.#shards.length,
      tensors: tensorsOf(this.#options.plan, this.#shards, checksums),
      ...(extra.length && { extra }),
      ...(this.#kept && { seen: this.#kept }),
    };
    const job = { kind: "commit", folder, state, keep } as const;
    return (background ? this.#thread.ask(job) : doJob(job)).then(() => undefined, reasonOf);
  }
}
