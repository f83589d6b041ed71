// The strategy: stages, schedule, cost, and what it refuses, on models made of numbers alone.
import {
  accumulate,
  bytesOf,
  type Cost,
  type ModelShape,
  microsOf,
  type ParamSpec,
  parseSchedule,
  printSchedule,
  simulate,
  validate,
} from "@orthant/core";
import { describe, expect, test } from "vitest";
import { gpipe, type PipelineOptions, pipeline, type ScheduleFactory, withSendRecv } from "../src/index.ts";

/** Layer i costs `flops[i]` and puts out 10 (i + 1) elements. */
const modelOf = (mesh: ModelShape["mesh"], flops: readonly number[]): ModelShape => ({
  mesh,
  micros: 1,
  layers: flops.map((f, i) => ({
    name: `${i}`,
    params: [],
    flops: f,
    widest: 0,
    segments: [],
    peak: 0,
    kept: 0,
    out: 10 * (i + 1),
    moves: [],
    losses: [],
  })),
});

const plan = (options: PipelineOptions, model: ModelShape) => {
  const strategy = pipeline(options);
  const stages = strategy.stages!(model);
  const schedule = strategy.schedule!(accumulate(model.micros), model);
  const shape = (spec: ParamSpec) => spec.shape;
  const input = {
    model,
    stages,
    schedule,
    reductions: [],
    acquires: [],
    piece: () => 0,
    gradShape: shape,
    valueShape: shape,
  };
  return { stages, schedule, cost: strategy.cost!(input) };
};

/** Bytes that the members of one group send in a step. */
const sentIn = ({ calls }: Cost, members: number) =>
  calls.reduce((sum, call) => sum + bytesOf(call, members) * (call.times ?? 1), 0);

describe("plans", () => {
  test("stages follow the cost of the layers, or the split given", () => {
    const model = modelOf({ pp: 2 }, [6, 2, 2, 2]);
    expect(plan({ schedule: "gpipe", micros: 2 }, model).stages).toEqual([[0], [1, 2, 3]]);
    expect(plan({ schedule: "gpipe", micros: 2, split: [3, 1] }, model).stages).toEqual([[0, 1, 2], [3]]);
  });

  test("its own micros win over the model's", () => {
    const { schedule } = plan({ schedule: "1f1b", micros: 3 }, modelOf({ pp: 2 }, [1, 1]));
    validate(schedule, { micros: 3 });
    expect(microsOf(schedule)).toBe(3);
    expect(simulate(schedule).peak).toEqual([2, 1]);
  });

  test.each([1, 2, 3, 4])("pp %i: bytes are 2 m |activation| a boundary", (pp) => {
    for (const schedule of ["gpipe", "1f1b"] as const) {
      const { stages, cost } = plan({ schedule, micros: 5 }, modelOf({ pp }, [1, 1, 1, 1]));
      const boundaries = stages.slice(0, -1).map((layers) => 10 * (layers.at(-1)! + 1));
      const elements = boundaries.reduce((a, b) => a + b, 0);
      expect(sentIn(cost, pp)).toBe(2 * 5 * elements * 4);
    }
  });

  test("a mesh without pp accumulates gradients and sends nothing", () => {
    const { stages, schedule, cost } = plan({ schedule: "1f1b", micros: 2 }, modelOf({ dp: 2 }, [1, 1]));
    expect(stages).toEqual([[0, 1]]);
    expect(schedule).toEqual(accumulate(2));
    expect(cost.calls).toEqual([]);
  });
});

describe("a schedule of one's own", () => {
  const model = modelOf({ pp: 2 }, [1, 1]);
  const planned = (make: () => unknown, micros = 2) => plan({ schedule: make as ScheduleFactory, micros }, model);

  test("is a function of stages and micros", () => {
    expect(plan({ schedule: gpipe, micros: 3 }, model)).toEqual(plan({ schedule: "gpipe", micros: 3 }, model));
  });

  test("may run backward in halves: no message goes with W", () => {
    const { schedule, cost } = planned(() => parseSchedule("0F0 0B0 0W0\n1F0 1B0 1W0"), 1);
    expect(printSchedule(schedule)).toBe("0F0 0SEND_F0 0RECV_B0 0B0 0W0\n1RECV_F0 1F0 1B0 1SEND_B0 1W0");
    expect(cost).toEqual(plan({ schedule: "1f1b", micros: 1 }, model).cost);
  });

  test.each([
    [undefined, "schedule refused: undefined is not a list of actions a rank"],
    ["0F0 0B0", 'schedule refused: "0F0 0B0" is not a list of actions a rank'],
    [[[{ stage: 0, op: "forward", micro: 0 }]], "has no known op: the ops are F B W SEND_F"],
    [gpipe(2, 3), "rank 0, action 2 (0F2): micro 2 is not one of 0 to 1"],
    [gpipe(2, 1), "must return 2 ranks, 2 stages and 2 micros; it returned 2 ranks, 2 stages and 1 micros"],
    [gpipe(3, 2), "must return 2 ranks, 2 stages and 2 micros; it returned 3 ranks, 3 stages and 2 micros"],
    [accumulate(2), "it returned 1 ranks, 1 stages and 2 micros"],
    [withSendRecv(gpipe(2, 2)), "schedule(2, 2) states compute only, F, B and W: leave out 0SEND_F0"],
  ])("refused where it returns %j", (returned, message) => {
    expect(() => planned(() => returned)).toThrow(message);
  });
});

describe("refuses", () => {
  const model = modelOf({ pp: 3 }, [1, 1, 1, 1]);

  test("a schedule that is not there", () => {
    const options = { schedule: "zb-h1", micros: 4 } as unknown as PipelineOptions;
    expect(() => pipeline(options)).toThrow('unknown schedule "zb-h1": there are gpipe and 1f1b; or give a function');
    expect(() => pipeline({ ...options, schedule: "toString" as "gpipe" })).toThrow('unknown schedule "toString"');
  });

  test.each([0, -1, 1.5, Number.NaN])("micros %d", (micros) => {
    expect(() => pipeline({ schedule: "gpipe", micros })).toThrow(`micros ${micros} is not a positive integer`);
  });

  test("more stages than layers", () => {
    const message = "pp 5 needs at least 5 layers to give each stage one; this model has 4: use pp 4 or fewer";
    expect(() => plan({ schedule: "gpipe", micros: 4 }, modelOf({ pp: 5 }, [1, 1, 1, 1]))).toThrow(message);
  });

  test.each([
    [[2, 2], "split [2, 2] names 2 stages; pp 3 needs 3"],
    [[4, 0, 0], "split [4, 0, 0]: 0 is not a number of layers; each stage needs 1 or more"],
    [[1, 1, 1], "split [1, 1, 1] places 1 + 1 + 1 = 3 layers; this model has 4"],
  ])("split %j", (split, message) => {
    expect(() => plan({ schedule: "gpipe", micros: 4, split }, model)).toThrow(message);
  });

  test.each(["0F0 0B0 0REDUCE_GRAD", "0UNSHARD 0F0 0B0 0RESHARD"])("a schedule with additions: %s", (text) => {
    const { schedule } = pipeline({ schedule: "gpipe", micros: 1 });
    expect(() => schedule!(parseSchedule(text), model)).toThrow(
      /has added 0[A-Z_]+: list pipeline\(\) before the others/,
    );
  });
});
