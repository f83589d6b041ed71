// What a rank does about checkpoints: goes on from one, saves its share of others. The first rank knows the folders, and tells them.
import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { extentOf } from "../checkpoint/extent.ts";
import { type Found, findCheckpoint, openFolder, tokenFile } from "../checkpoint/folder.ts";
import { Loader } from "../checkpoint/load.ts";
import { Saver } from "../checkpoint/save.ts";
import { broadcast } from "../group/tree.ts";
import { momentOf } from "../params/moment.ts";
import { pieceOf } from "../params/params.ts";
import type { ParamStore } from "../params/store.ts";
import type { JobOptions } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";
import { type RankPlan, showRank } from "../plan/ranks.ts";
import type { Endpoint } from "../transports/endpoint.ts";
import { messageKey, world } from "../transports/key.ts";
import { version } from "../version.ts";
import type { Holdings } from "./holdings.ts";
import { readPiece, readSlots } from "./updates.ts";

/** Folders of a run, from the working directory. */
export interface Folders {
  /** Where its checkpoints go. */
  readonly into?: string | undefined;
  /** The checkpoint that it goes on from. */
  readonly from?: string | undefined;
}

interface Told extends Folders {
  /** Name of a file in `into` that every rank must see. */
  readonly token: string;
}

export interface CheckpointsOptions {
  readonly options: JobOptions;
  readonly plan: Plan;
  readonly self: RankPlan;
  readonly endpoint: Endpoint;
  /** Known to the first rank. */
  readonly folders: Folders | undefined;
}

export class Checkpoints {
  readonly #given: CheckpointsOptions;
  /** The file by which ranks tell that they see one folder, where this rank made it and it is there. */
  #token: string | undefined;
  readonly #found: Found | undefined;
  readonly #saver: Saver | undefined;
  #done: number;

  constructor(given: CheckpointsOptions, told: Told, found: Found | undefined) {
    this.#given = given;
    this.#found = found;
    if (told.into !== undefined && given.endpoint.rank === 0) this.#token = join(told.into, told.token);
    this.#saver = told.into === undefined ? undefined : saverOf(given, told.into);
    this.#done = this.first;
  }

  /** Number of the first step that this run does. */
  get first(): number {
    return this.#found?.state.step ?? 0;
  }

  /** Whether values come from a checkpoint. */
  get restores(): boolean {
    return this.#found !== undefined;
  }

  /** Gives a rank the values and the optimizer state of the checkpoint; what strategies make of updates, they make of these. */
  async restore({ store, endStep }: Holdings): Promise<void> {
    if (!this.#found) return;
    const loader = new Loader(this.#found);
    try {
      for (const { name } of store.owned()) await this.#restoreOne(store, name, loader);
    } finally {
      await loader.close();
    }
    await endStep(momentOf(this.first - 1, "restored"));
  }

  async #restoreOne(store: ParamStore, name: string, loader: Loader): Promise<void> {
    const { plan, self, options } = this.#given;
    const spec = self.params.find((param) => param.name === name)!;
    const extent = extentOf(pieceOf(spec), plan.mesh, self.coords);
    const blank = await store.piece(name);
    const { shape } = blank;
    blank.dispose();
    await store.update(name, tf.tensor(await loader.piece(name, extent), shape));
    if (spec.frozen || loader.slots(name) < options.optimizer.slots || extent.from === extent.to) return;
    const slots: tf.Tensor[] = [];
    for (let slot = 0; slot < options.optimizer.slots; slot++)
      slots.push(tf.tensor(await loader.slot(name, slot, extent), shape));
    await store.keepSlots(name, slots);
  }

  /** Saves after `step` steps, where that is due. */
  async after(step: number, store: ParamStore): Promise<void> {
    this.#done = step;
    await this.#removeToken(); // all ranks have done a step: they saw it
    this.#saver?.check();
    if (step % (this.#given.options.checkpoint?.every ?? 1) === 0) await this.#save(step, store);
  }

  /** Saves what was done since the last save, and waits until all of it is on the disk. */
  async finish(store: ParamStore): Promise<void> {
    if (this.#done > this.first) await this.#save(this.#done, store);
    await this.#saver?.finish();
    await this.#removeToken();
  }

  async #removeToken(): Promise<void> {
    const token = this.#token;
    this.#token = undefined;
    if (token !== undefined) await rm(token, { force: true });
  }

  async #save(step: number, store: ParamStore): Promise<void> {
    const source = { piece: (name: string) => readPiece(store, name), slots: (name: string) => readSlots(store, name) };
    await this.#saver?.save(step, source);
  }
}

function saverOf({ options, plan, endpoint }: CheckpointsOptions, folder: string): Saver {
  const { model, strategies = [], optimizer, seed = 0, batch, checkpoint } = options;
  const run = {
    library: version(),
    model: model.name,
    mesh: plan.mesh,
    strategies: strategies.map(({ name, axis = "" }) => `${name}(${axis})`),
    optimizer: { name: optimizer.name, slots: optimizer.slots },
    seed,
    batch,
  };
  const { keep = Number.POSITIVE_INFINITY, async: background = false } = checkpoint ?? {};
  return new Saver({ plan, endpoint, folder, run, keep, background });
}

/** Opens what the options ask for; undefined where that is nothing, and then no message is sent. */
export async function openCheckpoints(given: CheckpointsOptions): Promise<Checkpoints | undefined> {
  const { options, endpoint, self } = given;
  if (!options.checkpoint && options.resume === undefined) return undefined;
  const told = await tell(given);
  const { into, from, token } = told;
  if (into !== undefined && endpoint.rank > 0 && !existsSync(join(into, token)))
    throw new Error(
      `checkpoint: ${showRank(self)} does not see ${into}, where rank 0 writes: all ranks need one disk, which checkpoint.dir can name`,
    );
  const found = from === undefined ? undefined : await findCheckpoint(from);
  if (from !== undefined && !found) throw new Error(`resume: ${showRank(self)} finds no checkpoint in ${from}`);
  return new Checkpoints(given, told, found);
}

/** Brings the folders from the first rank to all, the one for checkpoints made. */
async function tell({ plan, endpoint, folders = {} }: CheckpointsOptions): Promise<Told> {
  const members = { endpoint, ranks: plan.ranks.map(({ rank }) => rank), at: endpoint.rank };
  const told: Told | undefined = endpoint.rank === 0 ? { ...folders, token: tokenFile() } : undefined;
  if (told?.into !== undefined) {
    await openFolder(told.into);
    await writeFile(join(told.into, told.token), "");
  }
  const bytes = told && new TextEncoder().encode(JSON.stringify(told));
  const heard = await broadcast<Uint8Array>(members, bytes, messageKey(world, "folders"));
  return JSON.parse(new TextDecoder().decode(heard)) as Told;
}
