// What a rank does about checkpoints: goes on from one, saves its share of others. The first rank knows the folders, and tells them.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { extentOf } from "../checkpoint/extent.ts";
import { fitsExtra, readExtra } from "../checkpoint/extra.ts";
import type { Found } from "../checkpoint/folder.ts";
import { Loader, type Values } from "../checkpoint/load.ts";
import type { Source } from "../checkpoint/parts.ts";
import { type Folders, type Known, tellFolders } from "../checkpoint/places.ts";
import { Saver } from "../checkpoint/save.ts";
import { fromStored } from "../checkpoint/seen.ts";
import { servedExtra, servedValues, serveExtra, serveValues, type Wanted } from "../checkpoint/travel.ts";
import { type Extras, readExtras, writeExtras } from "../params/extra.ts";
import { momentOf } from "../params/moment.ts";
import type { Seen } from "../params/optimizer.ts";
import { pieceOf } from "../params/params.ts";
import type { ParamStore } from "../params/store.ts";
import type { JobOptions } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";
import type { RankPlan } from "../plan/ranks.ts";
import type { Endpoint } from "../transports/endpoint.ts";
import { version } from "../version.ts";
import type { Holdings } from "./holdings.ts";
import { readPiece, readSlots } from "./updates.ts";

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
  readonly #known: Known;
  /** The file by which ranks tell that they see one folder, where this rank made it and it is there. */
  #token: string | undefined;
  readonly #saver: Saver | undefined;
  #done: number;

  constructor(given: CheckpointsOptions, known: Known) {
    const { into, token } = known;
    this.#given = given;
    this.#known = known;
    if (into !== undefined && given.endpoint.rank === 0) this.#token = join(into, token);
    this.#saver = into === undefined ? undefined : saverOf(given, into, known.apart.into);
    this.#done = this.first;
  }

  /** Number of the first step that this run does. */
  get first(): number {
    return this.#known.found?.state.step ?? 0;
  }

  /** What the run saw before its first step. */
  seen = () => fromStored(this.#known.found?.state.seen);

  /** Whether values come from a checkpoint. */
  get restores(): boolean {
    return this.#known.found !== undefined;
  }

  /**
   * Gives a rank the values and the optimizer state of the checkpoint; what strategies make of updates, they make of these. The
   * first rank also sends them to those that do not see its disk.
   */
  async restore({ store, extras, endStep }: Holdings): Promise<void> {
    const { found, apart } = this.#known;
    if (!found) return;
    const { endpoint, plan, self } = this.#given;
    const values = apart.from.includes(self.rank) ? servedValues(endpoint) : new Loader(found);
    try {
      const others = self.rank === 0 ? apart.from : [];
      const served = others.map((rank) =>
        serveValues(endpoint, rank, this.#wantedBy(plan.ranks[rank]!, found), values),
      );
      await Promise.all([this.#restoreAll(store, this.#wantedBy(self, found), values), ...served]);
    } finally {
      await values.close();
    }
    await endStep(momentOf(this.first - 1, "restored"));
    await this.#restoreExtra(found, extras);
  }

  /** Gives strategies what they carried, where mesh and strategies are those that saved. */
  async #restoreExtra(found: Found, extras: Extras): Promise<void> {
    const { endpoint, plan, options, self } = this.#given;
    if (!found.state.extra || !fitsExtra(found.state, plan, strategyNames(options))) return;
    const apart = this.#known.apart.from;
    if (self.rank === 0) for (const rank of apart) await serveExtra(endpoint, rank, await readExtra(found, rank));
    const mine = apart.includes(self.rank) ? await servedExtra(endpoint) : await readExtra(found, self.rank);
    await writeExtras(extras, mine);
  }

  /** Lists what a rank loads of each parameter. */
  #wantedBy({ params, coords }: RankPlan, { state }: Found): Wanted[] {
    const { plan, options } = this.#given;
    const stored = new Map(state.tensors.map(({ name, slots }) => [name, slots]));
    return params.map((spec) => {
      const extent = extentOf(pieceOf(spec), plan.mesh, coords);
      const { slots } = options.optimizer;
      const none = spec.frozen || extent.from === extent.to || stored.get(spec.name)! < slots; // those start at zero
      return { name: spec.name, extent, slots: none ? 0 : slots };
    });
  }

  async #restoreAll(store: ParamStore, wanted: readonly Wanted[], values: Values): Promise<void> {
    for (const { name, extent, slots } of wanted) {
      const blank = await store.piece(name);
      const { shape } = blank;
      blank.dispose();
      await store.update(name, tf.tensor(await values.piece(name, extent), shape));
      const kept: tf.Tensor[] = [];
      for (let slot = 0; slot < slots; slot++) kept.push(tf.tensor(await values.slot(name, slot, extent), shape));
      if (slots) await store.keepSlots(name, kept);
    }
  }

  /** Counts a step that is done. Throws what went wrong in the background. */
  async after(step: number): Promise<void> {
    this.#done = step;
    await this.#removeToken(); // all ranks have done a step: they saw it
    this.#saver?.check();
  }

  /** Saves before the next step, where that is due: with the evaluations after the last one. */
  async before(step: number, holdings: Holdings, seen: Seen): Promise<void> {
    const { every = 1 } = this.#given.options.checkpoint ?? {};
    if (step > this.first && step % every === 0) await this.#save(step, holdings, seen);
  }

  /** Saves what was done since the last save, and waits until all of it is on the disk. */
  async finish(holdings: Holdings, seen: Seen): Promise<void> {
    if (this.#done > this.first) await this.#save(this.#done, holdings, seen);
    await this.#saver?.finish();
    await this.#removeToken();
  }

  /** Ends what goes on in the background: after a failure, too. */
  close = async (): Promise<void> => this.#saver?.close();

  async #removeToken(): Promise<void> {
    const token = this.#token;
    this.#token = undefined;
    if (token !== undefined) await rm(token, { force: true });
  }

  async #save(step: number, { store, extras }: Holdings, seen: Seen): Promise<void> {
    const source: Source = {
      piece: (name, into) => readPiece(store, name, into),
      slots: (name, into) => readSlots(store, name, into),
      extra: () => readExtras(extras),
    };
    await this.#saver?.save(step, source, seen);
  }
}

const strategyNames = ({ strategies = [] }: JobOptions): string[] =>
  strategies.map(({ name, axis = "" }) => `${name}(${axis})`);

function saverOf({ options, plan, endpoint }: CheckpointsOptions, folder: string, apart: readonly number[]): Saver {
  const { model, optimizer, seed = 0, batch, checkpoint } = options;
  const run = {
    library: version(),
    model: model.name,
    mesh: plan.mesh,
    strategies: strategyNames(options),
    optimizer: { name: optimizer.name, slots: optimizer.slots },
    seed,
    batch,
  };
  const { keep = Number.POSITIVE_INFINITY, async: background = false } = checkpoint ?? {};
  return new Saver({ plan, endpoint, folder, run, keep, apart, background });
}

/** Opens what the options ask for; undefined where that is nothing, and then no message is sent. */
export async function openCheckpoints(given: CheckpointsOptions): Promise<Checkpoints | undefined> {
  const { options, plan, endpoint, folders } = given;
  if (!options.checkpoint && options.resume === undefined) return undefined;
  const members = { endpoint, ranks: plan.ranks.map(({ rank }) => rank), at: endpoint.rank };
  return new Checkpoints(given, await tellFolders(members, folders));
}
