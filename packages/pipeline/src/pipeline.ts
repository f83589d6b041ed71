// The pipeline strategy: cuts the model's layers into stages, one a member of its axis, and replaces the schedule.
// Communication is the executor's; here it is only planned. Huang et al., 2019; Narayanan et al., 2021.

import {
  axisSize,
  type Cost,
  type CostInput,
  type ModelShape,
  type PlannedCall,
  type Schedule,
  type Strategy,
  showAction,
} from "@orthant/core";
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
  /** The mesh axis whose members run different stages; "pp" by default. */
  readonly axis?: string;
}

/**
 * Strategy of pipeline parallelism over one mesh axis; size 1 is gradient accumulation. List it before strategies that add to the
 * schedule, such as `zero()`. Throws on an unknown schedule, and on micros that are not a positive integer.
 */
export function pipeline({ schedule, micros, split, axis = "pp" }: PipelineOptions): Strategy {
  const factory = toFactory(schedule);
  if (!Number.isInteger(micros) || micros < 1)
    throw new Error(`micros ${micros} is not a positive integer: each step runs 1, 2, 3, ... microbatches`);
  return {
    name: "pipeline",
    axis,
    divides: "layers",
    stages: (model) => stagesFor(model, axis, split),
    schedule: (before, model) => {
      refuseAdditions(before);
      const stages = axisSize(model.mesh, axis);
      return withSendRecv(checkCompute(factory(stages, micros), stages, micros));
    },
    cost,
  };
}

function stagesFor({ mesh, layers }: ModelShape, axis: string, split?: readonly number[]): number[][] {
  const p = axisSize(mesh, axis);
  const flops = layers.map((layer) => layer.flops);
  return toStages(split ? checkedSplit(split, layers.length, p, axis) : splitByCost(flops, p, axis));
}

/** Throws where another strategy added to the schedule. This one replaces it: what another one added would be lost without a word. */
function refuseAdditions(schedule: Schedule): void {
  const added = schedule.flat().find(({ op }) => op !== "F" && op !== "B");
  if (!added) return;
  const seen = `another strategy has added ${showAction(added)}`;
  throw new Error(`pipeline() replaces the schedule, and ${seen}: list pipeline() before the others`);
}

/** Prices the SENDs: each carries the activation of a stage boundary, or its gradient. */
function cost({ model, stages, schedule }: CostInput): Cost {
  const out = stages.map((layers) => model.layers[layers.at(-1) ?? -1]?.out ?? 0);
  const calls = schedule.flat().flatMap(({ stage, op }): PlannedCall[] => {
    if (op !== "SEND_F" && op !== "SEND_B") return [];
    return [{ op: "send", sizes: [out[op === "SEND_F" ? stage : stage - 1] ?? 0] }];
  });
  return { calls };
}
