// The pipeline strategy: cuts the model's layers into stages, one a rank of axis `pp`, and replaces the schedule.
// Communication is the executor's; here it is only planned. Huang et al., 2019; Narayanan et al., 2021.

import type { Action, CostInput, ModelShape, Schedule, Strategy } from "@orthant/core";
import { axisSize, meshSize, showAction } from "@orthant/core";
import { withSendRecv } from "./passes/with-send-recv.ts";
import { checkCompute, type ScheduleFactory, type ScheduleName, toFactory } from "./schedules/index.ts";
import { checkedSplit, splitByCost, toStages } from "./split.ts";

/** What `pipeline` is given. */
export interface PipelineOptions {
  /** A schedule by name, or a function that makes one, of compute only: `(stages, micros) => Schedule`. */
  readonly schedule: ScheduleName | ScheduleFactory;
  /** Number of microbatches per step and data-parallel rank: m. Wins over the model's own number. */
  readonly micros: number;
  /** Number of layers in each stage; by default the split whose slowest stage is fastest, by floating-point operations. */
  readonly split?: readonly number[];
}

const bytesPerElement = 4;

/**
 * Strategy of pipeline parallelism over axis `pp`; size 1 is gradient accumulation. List it before strategies that add to the
 * schedule, such as `zero()`. Throws on an unknown schedule, and on micros that are not a positive integer.
 */
export function pipeline({ schedule, micros, split }: PipelineOptions): Strategy {
  const factory = toFactory(schedule);
  if (!Number.isInteger(micros) || micros < 1)
    throw new Error(`micros ${micros} is not a positive integer: each step runs 1, 2, 3, ... microbatches`);
  return {
    name: "pipeline",
    axis: "pp",
    stages: (model) => stagesFor(model, split),
    schedule: (before, model) => {
      refuseAdditions(before);
      const stages = axisSize(model.mesh, "pp");
      return withSendRecv(checkCompute(factory(stages, micros), stages, micros));
    },
    cost,
  };
}

function stagesFor({ mesh, layers }: ModelShape, split?: readonly number[]): number[][] {
  const p = axisSize(mesh, "pp");
  const flops = layers.map((layer) => layer.flops);
  return toStages(split ? checkedSplit(split, layers.length, p) : splitByCost(flops, p));
}

/** Throws where another strategy added to the schedule. This one replaces it: what another one added would be lost without a word. */
function refuseAdditions(schedule: Schedule): void {
  const added = schedule.flat().find(({ op }) => op !== "F" && op !== "B");
  if (!added) return;
  const seen = `another strategy has added ${showAction(added)}`;
  throw new Error(`pipeline() replaces the schedule, and ${seen}: list pipeline() before the others`);
}

/** Counts bytes sent. Each SEND carries the activation of a stage boundary, or its gradient: fp32, from every rank of the stage. */
function cost({ model, stages, schedule }: CostInput): { sent: number } {
  const out = stages.map((layers) => model.layers[layers.at(-1) ?? -1]?.out ?? 0);
  const elements = ({ stage, op }: Action): number =>
    (op === "SEND_F" ? out[stage] : op === "SEND_B" ? out[stage - 1] : 0) ?? 0;
  const sent = schedule.flat().reduce((sum, action) => sum + elements(action), 0);
  return { sent: sent * bytesPerElement * (meshSize(model.mesh) / axisSize(model.mesh, "pp")) };
}
