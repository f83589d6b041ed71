// The gradients of one rank in one step: summed over micros and uses, reduced as soon as they are complete, in program order.
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Meter } from "../src/index.ts";
import { Gradients, type GradientsOptions, type Trained } from "../src/params/gradients.ts";
import { momentOf } from "../src/params/moment.ts";

let before = 0;
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

const now = momentOf(0);
const trained = (name: string, additions: number, uses = [name]): Trained => ({
  name,
  shape: [2],
  uses,
  additions,
  piece: 2,
});
const pair = (value: number) => tf.tensor1d([value, -value]);

/** Adds up uses, as one rank alone does. */
const combine: GradientsOptions["combine"] = async (_, sums) =>
  sums.map((uses) => {
    const sum = tf.addN([...uses]);
    tf.dispose([...uses]);
    return sum;
  });

const open = (list: readonly Trained[], reductions: GradientsOptions["reductions"] = [], meter = new Meter()) =>
  new Gradients({ trained: list, meter, combine, reductions, bucketBytes: 0 });

const read = (gradients: Gradients, name: string) => [...gradients.get(name)!.dataSync()];

type Reduction = GradientsOptions["reductions"][number];

/** A reduction that notes its calls, waits, and hands gradients on. */
const noted =
  (log: string[], who: string, wait = async (_names: readonly string[]): Promise<void> => {}): Reduction =>
  async (names, grads) => {
    log.push(`${who} ${names}`);
    await wait(names);
    return [...grads];
  };

/** A reduction that computes, with one tensor for each that it is handed. */
const computed =
  (of: (grad: tf.Tensor) => tf.Tensor): Reduction =>
  async (_, grads) => {
    const next = grads.map((grad) => tf.tidy(() => of(grad)));
    tf.dispose([...grads]);
    return next;
  };

/** Lets everything that can go on go on. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 1));

test("sums over micros and over uses", async () => {
  const gradients = open([trained("a", 2), trained("b", 4, ["b", "b again"])]);
  for (const micro of [1, 2]) {
    gradients.add(["a", "b"], [pair(micro), pair(10 * micro)], now);
    gradients.add(["b again"], [pair(100 * micro)], now);
  }
  await gradients.finish(["a", "b"], now);
  expect([read(gradients, "a"), read(gradients, "b")]).toEqual([
    [3, -3],
    [330, -330],
  ]);
  gradients.dispose();
});

test("the last use starts the reduction while others still run", async () => {
  const log: string[] = [];
  const gradients = open([trained("a", 2), trained("b", 1)], [noted(log, "reduce")]);
  gradients.add(["a"], [pair(1)], now);
  await settle();
  expect(log).toEqual([]);
  gradients.add(["a"], [pair(1)], now);
  await settle();
  log.push("b comes");
  gradients.add(["b"], [pair(1)], now);
  await gradients.finish(["a", "b"], now);
  expect(log).toEqual(["reduce a", "b comes", "reduce b"]);
  gradients.dispose();
});

test("parameters that become complete together are reduced together, a tied one within a segment once", async () => {
  const log: string[] = [];
  const gradients = open([trained("a", 1), trained("b", 2, ["b", "b again"])], [noted(log, "reduce")]);
  gradients.add(["b", "a", "b again"], [pair(1), pair(2), pair(3)], now);
  await gradients.finish(["a", "b"], now);
  expect(log).toEqual(["reduce b,a"]);
  expect(read(gradients, "b")).toEqual([4, -4]);
  gradients.dispose();
});

test("each strategy's reductions are called in program order, although an earlier one is slow", async () => {
  const log: string[] = [];
  const slow = Promise.withResolvers<void>();
  const first = noted(log, "first", async ([name]) => (name === "a" ? slow.promise : undefined));
  const gradients = open([trained("a", 1), trained("b", 1)], [first, noted(log, "second")]);
  gradients.add(["a"], [pair(1)], now);
  gradients.add(["b"], [pair(2)], now);
  await settle();
  expect(log).toEqual(["first a", "first b"]); // b does not wait for a to be reduced, but its second call waits its turn
  slow.resolve();
  await gradients.finish(["a", "b"], now);
  expect(log).toEqual(["first a", "first b", "second a", "second b"]);
  gradients.dispose();
});

test("strategies reduce in the order of the list: each gets what the one before gave", async () => {
  const times = (by: number) => computed((grad) => grad.add(1).mul(by));
  const gradients = open([trained("a", 1)], [times(2), times(3)]);
  gradients.add(["a"], [pair(1)], now);
  await gradients.finish(["a"], now);
  expect(read(gradients, "a")).toEqual([15, 3]);
  gradients.dispose();
});

test("a parameter that no loss depends on has zeros; one that is frozen has no gradient", async () => {
  const gradients = open([trained("a", 1), trained("idle", 3)]);
  gradients.add(["a"], [pair(1)], now);
  await gradients.finish(["a", "idle", "frozen"], now);
  expect(read(gradients, "idle").map(Math.abs)).toEqual([0, 0]);
  expect([gradients.get("frozen"), gradients.trains("frozen"), gradients.trains("a")]).toEqual([
    undefined,
    false,
    true,
  ]);
  gradients.dispose();
});

test("a step after the first starts anew, even where the first did not add all", async () => {
  const gradients = open([trained("a", 2)]);
  for (const adds of [1, 2, 2]) {
    for (let i = 0; i < adds; i++) gradients.add(["a"], [pair(1)], now);
    await gradients.finish(["a"], now);
    expect(read(gradients, "a")).toEqual([adds, -adds]);
    gradients.drop("a");
  }
  gradients.dispose();
});

test("more additions than planned are refused: the reduction has begun without them", async () => {
  const gradients = open([trained("a", 2)]);
  const [one, two, three] = [pair(1), pair(2), pair(3)];
  gradients.add(["a"], [one], now);
  gradients.add(["a"], [two], now);
  expect(() => gradients.add(["a"], [three], now)).toThrow(
    "a segment adds to the gradient of a more than the 2 times a step that plan counted: a layer must run the same " +
      "segments on every rank and in every micro",
  );
  three.dispose();
  await gradients.finish(["a"], now);
  gradients.dispose();
});

test("bytes are those of sums, then of what was reduced", async () => {
  const meter = new Meter();
  const halved = computed((grad) => grad.slice([0], [1]));
  const gradients = open([{ ...trained("a", 2), piece: 1 }], [halved], meter);
  gradients.add(["a"], [pair(1)], now);
  expect(meter.now.grads).toBe(8);
  gradients.add(["a"], [pair(1)], now);
  await gradients.finish(["a"], now);
  expect(meter.now.grads).toBe(4);
  gradients.drop("a");
  gradients.drop("a");
  expect([meter.now.grads, meter.peak.grads]).toEqual([0, 8]);
  gradients.dispose();
});

test("an error of a reduction is told by finish, and the others still have their turn", async () => {
  const failing: Reduction = async ([name], grads) => {
    if (name === "b") return [...grads];
    tf.dispose([...grads]);
    throw new Error("no wire");
  };
  const gradients = open([trained("a", 1), trained("b", 1)], [failing]);
  gradients.add(["a"], [pair(1)], now);
  gradients.add(["b"], [pair(2)], now);
  await gradients.finish(["b"], now);
  await expect(gradients.finish(["a"], now)).rejects.toThrow("no wire");
  gradients.dispose();
});

test("disposed while a reduction is under way: what it brings is freed when it comes", async () => {
  const slow = Promise.withResolvers<void>();
  const meter = new Meter();
  const late = noted([], "late", () => slow.promise);
  const gradients = open([trained("a", 1), trained("b", 2)], [late], meter);
  gradients.add(["a", "b"], [pair(1), pair(2)], now);
  gradients.dispose();
  slow.resolve();
  await settle();
  expect([tf.memory().numTensors, meter.now.grads]).toEqual([before, 0]);
});
