// `metrics.jsonl`: a line on the run, then a line a step. Each line is appended whole as its step ends, so a run that was
// stopped or that failed leaves a file that reads.
import { appendFileSync } from "node:fs";
import { elements } from "../model/segment.ts";
import type { Evaluation } from "../params/optimizer.ts";
import type { JobOptions } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";
import type { StepReport } from "../rank/events.ts";
import { type Speed, speedOf } from "./speed.ts";

/** Counts the elements of all parameters: Psi. */
export const countParams = ({ specs }: Plan): number => specs.reduce((sum, { shape }) => sum + elements(shape), 0);

/** Makes the first line: what was planned. */
export function describeRun(
  { model, data, strategies = [], optimizer, steps, seed = 0 }: JobOptions,
  plan: Plan,
  firstStep = 0,
) {
  const { mesh, batch, micros, sent, simulation } = plan;
  return {
    started: new Date().toISOString(),
    model: model.name,
    parameters: countParams(plan),
    mesh,
    ranks: plan.ranks.length,
    strategies: strategies.map(({ name }) => name),
    optimizer: optimizer.name,
    batch,
    micros,
    tokensPerStep: batch * data.tokens,
    steps,
    ...(firstStep > 0 && { firstStep }),
    seed,
    plannedBytesSent: sent,
    plannedBubble: simulation.bubble,
  };
}

/** Names a speed as files do. */
export const speedName = ({ unit }: Speed): string => (unit === "tok/s" ? "tokensPerSecond" : "samplesPerSecond");

/** Makes the line of one step. `speed` is what a step counts for. */
export const describeStep = ({ step, loss, auxiliary, norm, lr, ms, held, device }: StepReport, speed: Speed) => ({
  step,
  loss,
  ...(Object.keys(auxiliary).length > 0 && { auxiliary }),
  norm,
  lr,
  ms,
  [speedName(speed)]: (1000 * speed.count) / ms,
  heldBytes: held,
  ...(device > 0 && { deviceBytes: Math.round(device) }),
});

/** Makes the line of an evaluation. */
const describeEvaluation = ({ step, loss, samples }: Evaluation) => ({ step, evaluation: loss, samples });

/** Starts the file at `path` with the run's line; returns what appends a step's, and an evaluation's. */
export function metrics(path: string, options: JobOptions, plan: Plan, firstStep = 0) {
  const write = (line: object) => appendFileSync(path, `${JSON.stringify(line)}\n`);
  write(describeRun(options, plan, firstStep));
  const speed = speedOf(options);
  return {
    step: (report: StepReport): void => write(describeStep(report, speed)),
    evaluated: (evaluation: Evaluation): void => write(describeEvaluation(evaluation)),
  };
}
