// One rank, from its first values to its last step: what `plan` decided, done. Runs the same in a thread of its own, beside
// other ranks, or in another process: it sees an endpoint and nothing else.
import type { Tensor } from "@tensorflow/tfjs";
import type { Folders } from "../checkpoint/places.ts";
import { withWayOut } from "../devices/lacking.ts";
import { RankError } from "../errors.ts";
import type { Group } from "../group/group.ts";
import { Meter } from "../meter.ts";
import { momentOf } from "../params/moment.ts";
import type { JobOptions } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";
import { type RankPlan, showRank } from "../plan/ranks.ts";
import { stageAxis } from "../plan/roles.ts";
import { type Action, rankOfStage, showAction } from "../schedule/schedule.ts";
import { counted } from "../transports/counted.ts";
import type { Endpoint } from "../transports/endpoint.ts";
import { Agreement, type Verdict } from "./agree.ts";
import { type Checkpoints, openCheckpoints } from "./checkpoints.ts";
import { Commands, type Driver } from "./commands.ts";
import type { ActionTime, Outcome, RankEvents } from "./events.ts";
import { ActionError, execute, type StepContext } from "./execute.ts";
import { type Groups, openGroups } from "./groups.ts";
import { type Holdings, hold } from "./holdings.ts";
import { perToken, reportOf } from "./reports.ts";
import { readSamples } from "./samples.ts";
import { stagesOfRank, uniformOf } from "./stages.ts";
import { toStop } from "./stop.ts";
import { GradTape } from "./tape.ts";
import { readPiece, readPieces, update } from "./updates.ts";
import { rebind, recompute } from "./vjp.ts";

export interface RankJob {
  readonly options: JobOptions;
  readonly plan: Plan;
  readonly endpoint: Endpoint;
  /** The ends of all ranks of this thread, which share its device; this rank alone where absent. */
  readonly endpoints?: readonly Endpoint[];
  readonly events: RankEvents;
  /** Who asks for each step, on every rank or none. */
  readonly driver?: Driver | undefined;
  /** Where checkpoints go and come from: known to the first rank. */
  readonly folders?: Folders | undefined;
  /** Read once a step: the number of the signal that asks to stop after it, 0 for none. */
  stopped(): number;
}

/**
 * Runs a rank to its end and leaves the endpoint open. Frees every tensor, but for the activations in flight where it fails.
 * Throws RankError, which names the rank, the step and the action.
 */
export async function runRank(job: RankJob): Promise<Outcome> {
  const self = job.plan.ranks[job.endpoint.rank]!;
  const { endpoint, sent } = counted(job.endpoint);
  const groups = await openGroups(job.plan, job.options.strategies ?? [], endpoint);
  const { options, plan } = job;
  const meter = new Meter(options.capBytes);
  const pipe = groups(plan.roles.layers ?? "no axis");
  const checkpoints = await openCheckpoints({ options, plan, self, endpoint, folders: job.folders });
  const blank = checkpoints?.restores ?? false;
  const holdings = await hold({ options, plan, self, meter, group: groups, pipe, blank });
  const rank = new Rank({ ...job, endpoint }, self, { groups, pipe, meter, holdings, checkpoints });
  try {
    await checkpoints?.restore(holdings);
    const done = await rank.run();
    await checkpoints?.finish(holdings.store);
    return { rank: self.rank, ...done, pieces: await readPieces(holdings.store), peak: meter.peak, sent };
  } finally {
    holdings.dispose();
    await checkpoints?.close();
  }
}

/** What a rank opens before it starts. */
interface Opened {
  readonly groups: Groups;
  readonly pipe: Group;
  readonly meter: Meter;
  readonly holdings: Holdings;
  readonly checkpoints: Checkpoints | undefined;
}

class Rank {
  readonly #meter: Meter;
  readonly #job: RankJob;
  readonly #self: RankPlan;
  readonly #group: Groups;
  readonly #pipe: Group;
  readonly #holdings: Holdings;
  readonly #checkpoints: Checkpoints | undefined;
  readonly #agreement: Agreement;
  /** The parameter of each use. */
  readonly #paramOf: ReadonlyMap<string, string>;
  readonly #commands: Commands | undefined;

  constructor(job: RankJob, self: RankPlan, { groups, pipe, meter, holdings, checkpoints }: Opened) {
    this.#job = job;
    this.#self = self;
    this.#group = groups;
    this.#pipe = pipe;
    this.#meter = meter;
    this.#agreement = new Agreement(job.plan, job.endpoint);
    this.#holdings = holdings;
    this.#checkpoints = checkpoints;
    this.#paramOf = new Map(job.plan.specs.flatMap(({ name, uses }) => uses.map((use) => [use.name, name] as const)));
    this.#commands = job.driver && new Commands(job.plan, job.driver, job.endpoint);
  }

  async run(): Promise<Pick<Outcome, "losses" | "stopped">> {
    const losses: number[] = [];
    const { steps } = this.#job.options;
    const wanted = (step: number) => this.#commands?.obey(step, (name) => readPiece(this.#holdings.store, name));
    for (let step = this.#checkpoints?.first ?? 0; (await wanted(step)) ?? step < steps; step++) {
      const { loss, stop } = await this.#step(step, step === steps - 1).catch((cause) => {
        throw this.#located(cause, step);
      });
      losses.push(loss);
      if (stop) return { losses, stopped: toStop(stop) };
      await new Promise((resume) => setImmediate(resume)); // signals and messages get their turn
    }
    return { losses };
  }

  #located(cause: unknown, step: number): RankError {
    const action = cause instanceof ActionError ? cause.action : undefined;
    const { rank } = this.#self;
    return new RankError(
      { rank, step, action, who: showRank(this.#self) },
      withWayOut(action ? (cause as ActionError).cause : cause),
    );
  }

  async #step(step: number, last: boolean): Promise<Verdict> {
    const { options, plan, events, stopped } = this.#job;
    const { store, gradients } = this.#holdings;
    const began = performance.now();
    const actions: ActionTime[] = [];
    const micros = await execute(this.#schedule, this.#context(step, actions));
    const sharing = this.#job.endpoints?.length ?? 1;
    const seen = { gradients, meter: this.#meter, micros, sharing, signal: stopped() };
    const verdict = await this.#agreement.reach(await reportOf({ plan, self: this.#self, ...seen }), step);
    const told = perToken(verdict, this.#tokens);
    const lr = options.optimizer.lr(step);
    if (!Number.isFinite(told.loss))
      throw new Error(`the loss is ${told.loss}; lower the learning rate (${lr} here) or set clip`);
    await events.onGradients?.(this.#self.rank, step, this.#gradients());
    const { clip = Number.POSITIVE_INFINITY, optimizer } = options;
    await update(store, gradients, { optimizer, step, scale: verdict.norm > clip ? clip / verdict.norm : 1 });
    await this.#holdings.endStep({ ...momentOf(step, "end"), last: last || verdict.stop !== 0 });
    events.onActions?.(this.#self.rank, step, actions);
    if (this.#self.rank === 0) events.onStep?.({ ...told, step, lr, ms: performance.now() - began });
    await this.#checkpoints?.after(step + 1, store);
    return told;
  }

  #gradients = () =>
    this.#holdings.store.owned().map((spec) => ({ spec, grad: this.#holdings.gradients.get(spec.name) }));

  get #schedule(): readonly Action[] {
    return this.#job.plan.schedule[stageAxis(this.#job.plan.roles, this.#self.coords)]!;
  }

  /** Tokens of a step among the ranks that share a loss. */
  get #tokens(): number {
    const { batch, data } = this.#job.options;
    return (batch * data.tokens) / this.#agreement.islands;
  }

  #context(step: number, actions: ActionTime[]): StepContext {
    const { options, plan } = this.#job;
    const { coords } = this.#self;
    const { store, gradients } = this.#holdings;
    const origin = performance.timeOrigin;
    return {
      step,
      model: options.model,
      store,
      gradients,
      meter: this.#meter,
      pipe: this.#pipe,
      ownerOf: (stage) => rankOfStage(plan.schedule, stage),
      stages: stagesOfRank(options.model, plan, this.#schedule),
      newTape: (micro, x) => this.#newTape(step, micro, x),
      read: (micro, side) => readSamples(options, plan, coords, { step, micro }, side),
      seed: 1 / this.#tokens,
      onAction: (action, from, to) =>
        actions.push({ action: showAction(action), from: origin + from, to: origin + to }),
    };
  }

  #newTape(step: number, micro: number, x?: Tensor): GradTape {
    const { options, plan } = this.#job;
    const { store, gradients } = this.#holdings;
    const vjp = options.recompute ? recompute : rebind;
    const paramOf = (use: string) => this.#paramOf.get(use)!;
    const uniform = uniformOf(options, plan, this.#self.coords, { step, micro });
    return new GradTape(
      { vjp, store, gradients, paramOf, group: this.#group, meter: this.#meter, step, micro, uniform },
      x,
    );
  }
}
