// What real models have beside neat shapes: uneven ones, tied, frozen and idle parameters, on 1 to 4 ranks, every stage and way
// to gather, in small buckets. Against one rank of stage 0 to rounding; all stages alike to the last bit.
import { elements, type Layer, type LayerParam, type Model, segment, sgd, type TrainOptions } from "@orthant/core";
import { arrays, segments } from "@orthant/nn";
import { accountingFailures, errorsBetween, heldFailures, type Observed, observe } from "@orthant/testing";
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, test } from "vitest";
import { type ZeroOptions, zero } from "../src/index.ts";

const [inputs, width, inner, outputs] = [5, 7, 3, 2];

/** `x [B, D] -> [B, D]`: tanh of `x w w'`. `w [D, K]`; `spare` takes part in nothing, so that its gradient is none. */
const mixed = segment({
  name: "mixed",
  params: ["w", "spare"],
  run: ([w_DK], x) => tf.tanh(tf.matMul(tf.matMul(x!, w_DK!), w_DK!, false, true)),
  shape: ([w = []], x = []) => ({ shape: x, flops: 4 * x[0]! * elements(w), kept: x[0]! * w[1]! }),
  reads: [true, false, true],
});

const param = (name: string, shape: readonly number[], more: Partial<LayerParam> = {}): LayerParam => ({
  name,
  shape,
  init: { kind: "normal", std: 0.5 },
  ...more,
});

const dense = (name: string, from: number, to: number, frozen?: "weight" | "bias"): Layer => ({
  name,
  params: [
    param("weight", [from, to], { frozen: frozen === "weight" }),
    param("bias", [to], { frozen: frozen === "bias" }),
  ],
  forward: (tape, x) => tape.local(segments.linear, name, x),
});

const middle = (name: string): Layer => ({
  name,
  params: [param("w", [width, inner], { tie: "middle" }), param("spare", [3])],
  forward: (tape, x) => tape.local(mixed, name, x),
});

const model: Model = {
  name: "odd shapes",
  layers: [
    dense("in", inputs, width, "bias"),
    middle("a"),
    dense("b", width, width, "weight"),
    middle("c"),
    dense("out", width, outputs),
  ],
  loss: (tape, y, target) => tape.local(segments.squaredError, "", y, target),
};

const numbers = (size: number, from: number) =>
  Array.from({ length: 24 }, (_, i) => Array.from({ length: size }, (_, j) => Math.sin(from + i * size + j)));
const data = arrays({ inputs: numbers(inputs, 0), targets: numbers(outputs, 1) });

const run = (dp: number, options: Omit<ZeroOptions, "axis">): Promise<Observed> => {
  const job: TrainOptions = {
    model,
    data,
    batch: 24,
    micros: 2,
    mesh: { dp },
    strategies: [zero(options)],
    optimizer: sgd({ lr: 1e-2, momentum: 0.9 }),
    steps: 3,
    clip: 1,
  };
  return observe(job);
};

const cases: Omit<ZeroOptions, "axis">[] = [
  { stage: 0 },
  { stage: 1 },
  { stage: 2 },
  ...(["segment", "micro", "step"] as const).map((gather) => ({ stage: 3, gather }) as const),
  { stage: 3, persist: 7, prefetch: 3 },
];

const alone = await run(1, { stage: 0 });

describe.each([1, 2, 3, 4])("%i ranks", (dp) => {
  let whole: Observed;
  beforeAll(async () => {
    whole = await run(dp, { stage: 0, bucketBytes: 60 });
  });

  test.each(cases)("%j", async (options) => {
    for (const bucketBytes of [0, 60, 200]) {
      const found = await run(dp, { ...options, bucketBytes });
      expect(found.losses).toEqual(whole.losses);
      const { loss, gradient, parameter } = errorsBetween(found, alone);
      expect(Math.max(loss, gradient!, parameter)).toBeLessThan(2e-6);
      expect([...heldFailures(found), ...accountingFailures(found)]).toEqual([]);
    }
  });
});
