// One rank, from its first values to its last step: what `plan` decided, done. Runs the same in a thread of its own, beside
// other ranks, or in another process: it sees an endpoint and nothing else.
import type { Folders } from "../checkpoint/places.ts";
import { withWayOut } from "../devices/lacking.ts";
import { RankError } from "../errors.ts";
import { Meter } from "../meter.ts";
import { momentOf } from "../params/moment.ts";
import type { Evaluation } from "../params/optimizer.ts";
import type { JobOptions } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";
import { showRank } from "../plan/ranks.ts";
import { batchAxes, positionOf } from "../plan/roles.ts";
import { counted } from "../transports/counted.ts";
import type { Endpoint } from "../transports/endpoint.ts";
import { Agreement, type Verdict } from "./agree.ts";
import { type Checkpoints, openCheckpoints } from "./checkpoints.ts";
import { Commands, type Driver, type Obeys } from "./commands.ts";
import { actionsOf, type Opened, paramOfUse, stepContext } from "./contexts.ts";
import { evaluate } from "./evaluation/evaluate.ts";
import type { ActionTime, Outcome, RankEvents } from "./events.ts";
import { ActionError, execute } from "./execute.ts";
import { openGroups } from "./groups.ts";
import { hold } from "./holdings.ts";
import { countedRanges, perToken, type Ranges, reportOf } from "./reports.ts";
import { toStop } from "./stop.ts";
import { readPiece, readPieces, update } from "./updates.ts";

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
  /** ms to wait for data at most: less than other ranks wait for this one. No end where absent. */
  readonly patience?: number | undefined;
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
  const { options, plan, patience = Number.POSITIVE_INFINITY } = job;
  const meter = new Meter(options.capBytes);
  const pipe = groups(plan.roles.layers ?? "no axis");
  const checkpoints = await openCheckpoints({ options, plan, self, endpoint, folders: job.folders });
  const blank = checkpoints?.restores ?? false;
  const holdings = await hold({ options, plan, self, meter, group: groups, pipe, blank });
  const opened: Opened = { options, plan, self, groups, pipe, meter, holdings, paramOf: paramOfUse(plan), patience };
  const rank = new Rank({ ...job, endpoint }, opened, checkpoints);
  try {
    await checkpoints?.restore(holdings);
    const done = await rank.run();
    await checkpoints?.finish(holdings, rank.seen);
    const pieces = options.collect ? await readPieces(holdings.store) : new Map();
    return { rank: self.rank, ...done, pieces, peak: meter.peak, sent };
  } finally {
    holdings.dispose();
    await checkpoints?.close();
  }
}

class Rank {
  readonly #job: RankJob;
  readonly #opened: Opened;
  readonly #checkpoints: Checkpoints | undefined;
  readonly #agreement: Agreement;
  readonly #commands: Commands | undefined;
  readonly #ranges: Ranges;
  /** Also of the steps before the checkpoint that this run went on from. */
  readonly seen: { readonly losses: number[]; readonly evaluations: Evaluation[] };

  constructor(job: RankJob, opened: Opened, checkpoints: Checkpoints | undefined) {
    this.#job = job;
    this.#opened = opened;
    this.#checkpoints = checkpoints;
    this.#ranges = countedRanges(job.plan, opened.self);
    this.seen = checkpoints?.seen() ?? { losses: [], evaluations: [] };
    this.#agreement = new Agreement(job.plan, job.endpoint);
    this.#commands = job.driver && new Commands(job.plan, job.driver, job.endpoint);
  }

  async run(): Promise<Pick<Outcome, "losses" | "stopped">> {
    const losses: number[] = [];
    const { steps } = this.#job.options;
    const wanted = (step: number) => this.#commands?.obey(step, this.#obeys(step));
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

  #obeys = (step: number): Obeys => ({
    read: (name) => readPiece(this.#opened.holdings.store, name),
    evaluate: (batch, all, at) =>
      evaluate(this.#opened, batch, all, `evaluation, ${at}`).catch((cause) => {
        throw this.#located(cause, step);
      }),
    evaluated: (loss, samples) => void this.seen.evaluations.push({ step: step - 1, loss, samples }),
  });

  #located(cause: unknown, step: number): RankError {
    const action = cause instanceof ActionError ? cause.action : undefined;
    const { self } = this.#opened;
    return new RankError(
      { rank: self.rank, step, action, who: showRank(self) },
      withWayOut(action ? (cause as ActionError).cause : cause),
    );
  }

  async #step(step: number, last: boolean): Promise<Verdict> {
    const { options, plan, events, stopped } = this.#job;
    const { self, meter, holdings } = this.#opened;
    const { store, gradients } = holdings;
    await this.#checkpoints?.before(step, holdings, this.seen);
    const began = performance.now();
    const actions: ActionTime[] = [];
    const at = { step, first: step === (this.#checkpoints?.first ?? 0), seed: 1 / this.#tokens };
    const micros = await execute(actionsOf(this.#opened), stepContext(this.#opened, at, actions));
    const sharing = this.#job.endpoints?.length ?? 1;
    const seen = { ranges: this.#ranges, gradients, meter, micros, sharing, signal: stopped() };
    const verdict = await this.#agreement.reach(await reportOf({ plan, self, ...seen }), step);
    const told = perToken(verdict, this.#tokens);
    const lr = options.optimizer.lr(step, this.seen);
    if (!Number.isFinite(told.loss))
      throw new Error(`the loss is ${told.loss}; lower the learning rate (${lr} here) or set clip`);
    await events.onGradients?.(self.rank, step, this.#gradients());
    const { clip = Number.POSITIVE_INFINITY, optimizer } = options;
    const divided = told.count ? this.#tokens / told.count : 1; // gradients were divided by tokens so far
    const scale = told.norm > clip ? (divided * clip) / told.norm : divided;
    const parts = plan.micros * positionOf(batchAxes(plan.roles), plan.mesh, {}).of;
    await update(store, gradients, { optimizer, step, lr, scale, parts });
    await holdings.endStep({ ...momentOf(step, "end"), last: last || verdict.stop !== 0 });
    events.onActions?.(self.rank, step, actions);
    if (self.rank === 0) events.onStep?.({ ...told, step, lr, ms: performance.now() - began });
    this.seen.losses.push(told.loss);
    await this.#checkpoints?.after(step + 1);
    return told;
  }

  #gradients = () => {
    const { store, gradients } = this.#opened.holdings;
    return store.owned().map((spec) => ({ spec, grad: gradients.get(spec.name) }));
  };

  /** Tokens of a step among the ranks that share a loss. */
  get #tokens(): number {
    const { batch, data } = this.#job.options;
    return (batch * data.tokens) / this.#agreement.islands;
  }
}
