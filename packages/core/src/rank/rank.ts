// One rank, from its first values to its last step: what `plan` decided, done. Runs the same in a thread of its own, beside
// other ranks, or in another process: it sees a endpoint and nothing else.

import { type FailedRank, RankError } from "../errors.ts";
import type { Members } from "../group/collectives.ts";
import { Group } from "../group/group.ts";
import { ranksAlong } from "../mesh.ts";
import { Meter } from "../meter.ts";
import { initialValues, localShape, type ParamSpec } from "../params/params.ts";
import { localStore, type Owned, type ParamStore } from "../params/store.ts";
import type { TrainOptions } from "../plan/options.ts";
import { type Plan, type RankPlan, showRank } from "../plan/plan.ts";
import { type Action, rankOfStage, showAction } from "../schedule/schedule.ts";
import { counted } from "../transports/counted.ts";
import type { Endpoint } from "../transports/endpoint.ts";
import { agree, type Report, type Verdict } from "./agree.ts";
import type { ActionTime, Outcome, RankEvents } from "./events.ts";
import { execute, type StepContext } from "./execute.ts";
import { readSamples } from "./samples.ts";
import { GradTape } from "./tape.ts";
import { gradientSquares, Updates } from "./updates.ts";
import { rebind, recompute } from "./vjp.ts";

export interface RankJob {
  readonly options: TrainOptions;
  readonly plan: Plan;
  readonly endpoint: Endpoint;
  readonly events: RankEvents;
  /** Read once a step: whether to stop after it. */
  stopped(): boolean;
}

/**
 * Runs a rank to its end and leaves the endpoint open. Frees every tensor, but for the activations in flight where it fails.
 * Errors name the rank, the step and the action.
 */
export async function runRank(job: RankJob): Promise<Outcome> {
  const self = job.plan.ranks[job.endpoint.rank]!;
  const { endpoint, sent } = counted(job.endpoint);
  const rank = new Rank({ ...job, endpoint }, self);
  try {
    const losses = await rank.run();
    return { rank: self.rank, losses, pieces: await rank.pieces(), peak: rank.meter.peak, sent };
  } catch (cause) {
    throw new RankError({ rank: self.rank, who: showRank(self), ...rank.where }, cause);
  } finally {
    rank.dispose();
  }
}

class Rank {
  /** The step and action that it is in. */
  where: Pick<FailedRank, "step" | "action"> = {};
  readonly meter = new Meter();
  readonly #job: RankJob;
  readonly #self: RankPlan;
  readonly #groups = new Map<string, Group>();
  readonly #store: ParamStore;
  readonly #updates: Updates;
  readonly #world: Members;

  constructor(job: RankJob, self: RankPlan) {
    const { strategies = [], seed = 0 } = job.options;
    this.#job = job;
    this.#self = self;
    this.#world = { endpoint: job.endpoint, ranks: job.plan.ranks.map(({ rank }) => rank), at: self.rank };
    const dealt = self.params.map((spec) => this.#deal(spec, seed));
    const local = localStore(dealt, this.meter);
    this.#store = strategies.reduce((inner, s) => s.store?.(inner, this.#group(s.axis)) ?? inner, local);
    this.#updates = new Updates(job.options.optimizer, this.#store);
  }

  #deal(spec: ParamSpec, seed: number) {
    const { mesh } = this.#job.plan;
    const { coords } = this.#self;
    return { spec, shape: localShape(spec, mesh), values: initialValues(spec, seed, mesh, coords) };
  }

  #group = (axis: string): Group => {
    const { mesh } = this.#job.plan;
    const { rank } = this.#self;
    const group = this.#groups.get(axis) ?? new Group(axis, this.#job.endpoint, ranksAlong(mesh, rank, axis));
    this.#groups.set(axis, group);
    return group;
  };

  async run(): Promise<number[]> {
    const losses: number[] = [];
    for (let step = 0; step < this.#job.options.steps; step++) {
      this.where = { step };
      const { loss, stop } = await this.#step(step);
      losses.push(loss);
      if (stop) break;
      await new Promise((resume) => setImmediate(resume)); // signals and messages get their turn
    }
    return losses;
  }

  async #step(step: number): Promise<Verdict> {
    const { options, plan, events } = this.#job;
    const began = performance.now();
    const actions: ActionTime[] = [];
    const context = this.#context(step, actions);
    const losses = await execute(this.#schedule, context);
    this.where = { step };
    const sums = await agree(this.#world, plan, await this.#report(losses), context.at);
    const verdict = { ...sums, loss: sums.loss / this.#tokens };
    if (!Number.isFinite(verdict.loss))
      throw new Error(
        `the loss is ${verdict.loss}; lower the learning rate (${options.optimizer.lr(step)} here) or set clip`,
      );
    await events.onGradients?.(this.#self.rank, step, this.#store.owned());
    const { clip = Number.POSITIVE_INFINITY } = options;
    this.#updates.apply(step, verdict.norm > clip ? clip / verdict.norm : 1);
    events.onActions?.(this.#self.rank, step, actions);
    const report = { step, lr: options.optimizer.lr(step), ms: performance.now() - began };
    if (this.#self.rank === 0) events.onStep?.({ ...verdict, ...report });
    return verdict;
  }

  get #schedule(): readonly Action[] {
    return this.#job.plan.schedule[this.#self.coords.pp ?? 0]!;
  }

  get #tokens(): number {
    return this.#job.options.batch * this.#job.options.data.tokens;
  }

  #context(step: number, actions: ActionTime[]): StepContext {
    const { options, plan } = this.#job;
    const { model } = options;
    const at = `step ${step}`;
    const vjp = options.recompute ? recompute : rebind;
    const origin = performance.timeOrigin;
    return {
      at,
      model,
      store: this.#store,
      meter: this.meter,
      pipe: this.#group("pp"),
      ownerOf: (stage) => rankOfStage(plan.schedule, stage),
      stages: plan.stages.map((layers) => ({
        layers: layers.map((i) => model.layers[i]!),
        params: plan.specs.filter((spec) => layers.includes(spec.layer)).map(({ name }) => name),
      })),
      newTape: ({ stage, micro }) => {
        const last = this.#schedule.findLast((a) => a.op === "B" && a.stage === stage)?.micro === micro;
        const { meter } = this;
        return new GradTape({ vjp, store: this.#store, group: this.#group, meter, at: `${at} micro ${micro}`, last });
      },
      read: (micro, side) => readSamples(options, plan, this.#self.coords, { step, micro }, side),
      seed: 1 / this.#tokens,
      onBegin: (action) => {
        this.where = { step, action: showAction(action) };
      },
      onAction: (action: Action, from, to) =>
        actions.push({ action: showAction(action), from: origin + from, to: origin + to }),
    };
  }

  async #report(losses: ReadonlyMap<number, number>): Promise<Report> {
    const { plan, stopped } = this.#job;
    const { coords } = this.#self;
    const speaks = Object.entries(coords).every(([axis, at]) => axis === "dp" || axis === "pp" || at === 0);
    return {
      stop: stopped(),
      held: this.meter.peakTotal,
      squares: await gradientSquares(this.#store, coords),
      losses: Array.from({ length: plan.micros }, (_, m) => (speaks ? (losses.get(m) ?? 0) : 0)),
    };
  }

  async pieces(): Promise<Map<string, Float32Array>> {
    const read = async ({ spec, value }: Owned) => [spec.name, (await value.data()) as Float32Array] as const;
    return new Map(await Promise.all(this.#store.owned().map(read)));
  }

  dispose(): void {
    this.#store.dispose();
    this.#updates.dispose();
  }
}
