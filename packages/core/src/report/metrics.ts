// `metrics.jsonl`: a line on the run, then a line a step. Each line is appended whole as its step ends, so a run that was
// stopped or that failed leaves a file that reads.
import { appendFileSync } from "node:fs";
import { elements } from "../model/segment.ts";
import type { JobOptions } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";
import type { StepReport } from "../rank/events.ts";

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

/** Makes the line of one step. `tokens` counts those of a step, over the whole mesh. */
export const describeStep = ({ step, loss, auxiliary, norm, lr, ms, held, device }: StepReport, tokens: number) => ({
  step,
  loss,
  ...(Object.keys(auxiliary).length > 0 && { auxiliary }),
  norm,
  lr,
  ms,
  tokensPerSecond: (1000 * tokens) / ms,
  heldBytes: held,
  ...(device > 0 && { deviceBytes: Math.round(device) }),
});

/** Starts the file at `path` with the run's line; returns what appends a step's. */
export function metrics(path: string, options: JobOptions, plan: Plan, firstStep = 0): (report: StepReport) => void {
  const write = (line: object) => appendFileSync(path, `${JSON.stringify(line)}\n`);
  write(describeRun(options, plan, firstStep));
  return (report) => write(describeStep(report, options.batch * options.data.tokens));
}
