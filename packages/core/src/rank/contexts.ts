// What a rank's actions need around them: in a step, with gradients; in an evaluation, without, and with nothing dropped.
import * as tf from "@tensorflow/tfjs";
import type { Group } from "../group/group.ts";
import type { Meter } from "../meter.ts";
import type { Data } from "../model/model.ts";
import { type Moment, momentOf } from "../params/moment.ts";
import type { JobOptions } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";
import type { RankPlan } from "../plan/ranks.ts";
import { batchAxes, stageAxis } from "../plan/roles.ts";
import { specsByUse } from "../plan/specs.ts";
import { type Action, rankOfStage, showAction } from "../schedule/schedule.ts";
import type { ActionTime } from "./events.ts";
import type { StepContext } from "./execute.ts";
import type { Groups } from "./groups.ts";
import type { Holdings } from "./holdings.ts";
import { readSamples } from "./samples.ts";
import { stagesOfRank, uniformOf } from "./stages.ts";
import { refuseMean } from "./tape/loss-check.ts";
import { GradTape } from "./tape/tape.ts";
import { forwardOnly, rebind, recompute } from "./tape/vjp.ts";

/** What a rank opens before it starts. */
export interface Opened {
  readonly options: JobOptions;
  readonly plan: Plan;
  readonly self: RankPlan;
  readonly groups: Groups;
  readonly pipe: Group;
  readonly meter: Meter;
  readonly holdings: Holdings;
  /** ms to wait for data at most. */
  readonly patience: number;
  /** The parameter of a use. */
  paramOf(use: string): string;
}

export function paramOfUse({ specs }: Plan): (use: string) => string {
  const owners = specsByUse(specs);
  return (use) => owners.get(use)!.name;
}

/** The actions of a rank in a step. */
export const actionsOf = ({ plan, self }: Opened): readonly Action[] =>
  plan.schedule[stageAxis(plan.roles, self.coords)]!;

const common = ({ options, plan, holdings, meter, pipe }: Opened, actions: readonly Action[]) => ({
  model: options.model,
  store: holdings.store,
  gradients: holdings.gradients,
  meter,
  pipe,
  ownerOf: (stage: number) => rankOfStage(plan.schedule, stage),
  stages: stagesOfRank(options.model, plan, actions),
});

export interface StepAt {
  readonly step: number;
  /** It is the first that this run does. */
  readonly first: boolean;
  /** Gradient of the step's loss with respect to a micro's loss sum. */
  readonly seed: number;
}

/** A step. */
export function stepContext(opened: Opened, { step, first, seed }: StepAt, times: ActionTime[]): StepContext {
  const { options, plan, self, groups: group, meter, holdings, paramOf, patience: limit } = opened;
  const { store, gradients } = holdings;
  const { coords } = self;
  const vjp = options.recompute ? recompute : rebind;
  const origin = performance.timeOrigin;
  const around = { training: true, batch: batchAxes(plan.roles) };
  return {
    ...common(opened, actionsOf(opened)),
    at: `step ${step}`,
    moment: (what) => momentOf(step, what),
    newTape(micro, x) {
      const uniform = uniformOf(options, plan, coords, { step, micro });
      const moment = (what: string) => momentOf(step, what, micro);
      return new GradTape({ vjp, store, gradients, paramOf, group, meter, moment, uniform, ...around }, x);
    },
    read: (micro, side) => readSamples(options, plan, coords, { step, micro, side, limit }),
    seed,
    ...(first && { checkLoss: (y, target) => refuseMean(options.model, y, target) }),
    onAction: (action, from, to) => times.push({ action: showAction(action), from: origin + from, to: origin + to }),
  };
}

const forwardOps: readonly string[] = ["F", "SEND_F", "RECV_F", "UNSHARD", "RESHARD"];

/** The forwards of a step, in its order. */
export const forwardsOf = (actions: readonly Action[]): Action[] => actions.filter(({ op }) => forwardOps.includes(op));

/** One batch that is evaluated between two steps: the samples 0 to `batch` of `data`; `at` names it in messages. */
export function evaluationContext(opened: Opened, data: Data, at: string): StepContext {
  const { options, plan, self, groups: group, meter, holdings, paramOf, patience } = opened;
  const { store } = holdings;
  const around = { training: false, batch: batchAxes(plan.roles) };
  // No micro: stores that gather ahead follow the order of a step, and this is none.
  const momentOfIt = (what: string): Moment => ({ key: `${at} ${what}`, step: -1 });
  return {
    ...common(opened, forwardsOf(actionsOf(opened))),
    at,
    forwardOnly: true,
    moment: momentOfIt,
    newTape(micro) {
      const moment = (what: string) => momentOfIt(`micro ${micro} ${what}`);
      const uniform = (_: string, { shape }: tf.Tensor) => tf.ones(shape); // nothing is dropped
      return new GradTape({ vjp: forwardOnly, store, paramOf, group, meter, moment, uniform, ...around });
    },
    read: (micro, side) =>
      readSamples({ ...options, data }, plan, self.coords, { step: 0, micro, side, limit: patience }),
    seed: 0,
    onAction: () => {},
  };
}
