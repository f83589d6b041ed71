// Tied parameters: one value on every stage that reads it, its gradients summed, whatever the schedule and the stages.
import { pipeline, withSendRecv } from "@orthant/pipeline";
import { zero } from "@orthant/zero";
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { zbH1 } from "../../testing/schedules/zb-h1.ts";
import { adamw, parseSchedule, type Strategy, useDevice } from "../src/index.ts";
import { bits, ran, small } from "./small.ts";

beforeEach(() => useDevice("cpu"));
let before = 0;
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

/** `in.weight` and `out.weight` meet on the first and the last stage, `mlp.up` of blocks 0, 1 and 3 on several or one. */
const ties: Readonly<Record<string, string>> = {
  "in.weight": "ends",
  "out.weight": "ends",
  "0.mlp.up": "up",
  "1.mlp.up": "up",
  "3.mlp.up": "up",
};
const tied = () => small((name) => (ties[name] ? { tie: ties[name] } : {}));
const schedules = { gpipe: "gpipe", "1f1b": "1f1b", "zb-h1": zbH1 } as const;
type Schedule = keyof typeof schedules;

const piped = (pp: number, schedule: Schedule) => ({
  model: tied(),
  mesh: { pp },
  strategies: [pipeline({ schedule: schedules[schedule], micros: 4 })],
});

test("a tie trains one value, and differs from what is not tied", async () => {
  const { weights, plan } = await ran({ model: tied() });
  const names = [...weights.keys()];
  for (const name of ["in.weight", "0.mlp.up", "2.mlp.up"]) expect(names).toContain(name);
  for (const name of ["out.weight", "1.mlp.up", "3.mlp.up"]) expect(names).not.toContain(name);
  expect(plan.ranks[0]!.params).toHaveLength(names.length);
  expect((await ran()).losses).not.toEqual((await ran({ model: tied() })).losses);
});

test("its gradient is the sum of those of its uses", async () => {
  const start = { kind: "constant", value: 0.3 } as const;
  const alike = (tie: boolean) =>
    small((name) => (ties[name] === "up" ? { init: start, ...(tie && { tie: "up" }) } : {}));
  const step = { steps: 1, optimizer: { ...adamw({ lr: 1 }), slots: 0, update: less }, clip: 1e9 };
  const [one, three] = [await ran({ ...step, model: alike(true) }), await ran({ ...step, model: alike(false) })];
  const moved = (values: Float32Array) => [...values].map((value) => value - start.value);
  const apart = ["0", "1", "3"].map((block) => moved(three.weights.get(`${block}.mlp.up`)!));
  const together = moved(one.weights.get("0.mlp.up")!);
  for (const [i, value] of together.entries())
    expect(value).toBeCloseTo(
      apart.reduce((sum, use) => sum + use[i]!, 0),
      5,
    );
});

/** Takes the gradient off: what moved is the gradient. */
const less = (value: tf.Tensor, grad: tf.Tensor): tf.Tensor[] => [value.sub(grad)];

describe.each([1, 2, 4, 6])("pp %i", (pp) => {
  test.each(Object.keys(schedules) as Schedule[])("%s: the bits of one rank", async (schedule) => {
    expect(bits(await ran(piped(pp, schedule)))).toEqual(bits(await ran({ model: tied() })));
  });
});

test.each([2, 4])("pp %i: every stage that reads it ends with the same value", async (pp) => {
  const { outcomes, plan } = await ran(piped(pp, "1f1b"));
  for (const spec of plan.specs.filter(({ uses }) => uses.length > 1)) {
    const copies = outcomes.flatMap(({ pieces }) => pieces.get(spec.name) ?? []);
    expect(copies.length).toBeGreaterThan(1);
    for (const copy of copies) expect(copy).toEqual(copies[0]);
  }
});

test.each([1, 2, 4])("pp %i: bytes sent and held are those of the plan", async (pp) => {
  const { outcomes, plan } = await ran(piped(pp, "1f1b"));
  const sent = outcomes.reduce((sum, outcome) => sum + (outcome.sent.pp ?? 0), 0);
  expect(sent).toBe(4 * (plan.sent.pp ?? 0));
  for (const { rank, bytes } of plan.ranks) expect(outcomes[rank]!.peak).toEqual(bytes);
});

/** Two stages a rank: the last stage's gradients are complete while the first one still waits for its own. */
const interleaved: Strategy = {
  name: "interleaved",
  axis: "pp",
  divides: "layers",
  stages: () => [[0], [1, 2], [3, 4], [5]],
  schedule: () => withSendRecv(parseSchedule("0F0 2F0 0F1 2F1 2B0 0B0 2B1 0B1\n1F0 3F0 3B0 1F1 3F1 3B1 1B0 1B1")),
};

test("several stages a rank: nobody waits for a use whose stage waits for this rank", async () => {
  const found = await ran({ model: tied(), mesh: { pp: 2 }, micros: 2, strategies: [interleaved] });
  expect(bits(found)).toEqual(bits(await ran({ model: tied(), micros: 2 })));
});

describe("with data parallelism", () => {
  const on = (pp: number, stage: 0 | 3, gather: "segment" | "step" = "segment") =>
    ran({
      model: tied(),
      mesh: { pp, dp: 2 },
      strategies: [pipeline({ schedule: "1f1b", micros: 4 }), zero({ stage, gather })],
    });

  test("every stage of ZeRO has the bits of the others, on any pipeline", async () => {
    const expected = bits(await on(1, 0));
    for (const pp of [1, 2, 4])
      for (const stage of [0, 3] as const) expect(bits(await on(pp, stage))).toEqual(expected);
    expect(bits(await on(2, 3, "step"))).toEqual(expected);
  });
});
