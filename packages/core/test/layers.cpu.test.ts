// Several strategies around one store, in whole runs: who is the outermost, who reduces first, and how a step ends.
import { pipeline } from "@orthant/pipeline";
import { zero } from "@orthant/zero";
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Moment, type ParamStore, type Strategy, useDevice } from "../src/index.ts";
import { bits, ran } from "./small.ts";

beforeEach(() => useDevice("cpu"));
let before = 0;
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

/** A strategy that notes what core calls, and hands everything on. */
const noting = (name: string, log: string[]): Strategy => ({
  name,
  store: (inner) => ({
    acquire(names, at) {
      log.push(`${name} acquire`);
      return inner.acquire(names, at);
    },
    async reduce(_, grads) {
      log.push(`${name} reduce`);
      return [...grads];
    },
    async endStep() {
      log.push(`${name} endStep`);
    },
    dispose: () => void log.push(`${name} dispose`),
  }),
});

test("the first of the list is the outermost layer, and the first to reduce, to end a step and to be disposed", async () => {
  const log: string[] = [];
  await ran({ strategies: [noting("a", log), noting("b", log)], steps: 2, micros: 1 });
  for (const what of ["acquire", "reduce", "endStep", "dispose"]) {
    const calls = log.filter((line) => line.endsWith(what));
    expect(calls.length).toBeGreaterThan(0);
    expect(calls).toEqual(calls.map((_, i) => `${i % 2 ? "b" : "a"} ${what}`));
  }
  expect(log.filter((line) => line === "a endStep")).toHaveLength(2);
});

test("layers that hand everything on change no bit, with whatever else is around", async () => {
  const strategies = [pipeline({ schedule: "1f1b", micros: 4 }), zero({ stage: 3 })];
  const mesh = { pp: 2, dp: 2 };
  const plain = bits(await ran({ mesh, strategies }));
  const log: string[] = [];
  for (const at of [0, 1, 2])
    expect(bits(await ran({ mesh, strategies: strategies.toSpliced(at, 0, noting("a", log)) }))).toEqual(plain);
});

/** Notes, at the end of each step, the moment and one parameter's first number. */
const watching = (seen: { at: Moment; value: number }[]): Strategy => ({
  name: "watching",
  store: (inner: ParamStore) => ({
    async endStep(at) {
      const value = await inner.piece("in.weight");
      seen.push({ at, value: (await value.data())[0]! });
      value.dispose();
    },
  }),
});

test("endStep comes after all updates, once a step, and knows the last one", async () => {
  const seen: { at: Moment; value: number }[] = [];
  const { weights } = await ran({ strategies: [watching(seen)], steps: 3 });
  expect(seen.map(({ at }) => at)).toEqual([
    { key: "step 0 end", step: 0, last: false },
    { key: "step 1 end", step: 1, last: false },
    { key: "step 2 end", step: 2, last: true },
  ]);
  expect(new Set(seen.map(({ value }) => value)).size).toBe(3);
  expect(seen.at(-1)!.value).toBe(weights.get("in.weight")![0]);
});

test("the step in which a run is stopped is the last", async () => {
  const seen: { at: Moment; value: number }[] = [];
  const stop = new AbortController();
  const stopping: Strategy = {
    name: "stopping",
    store: () => ({
      async endStep({ step }) {
        if (step === 1) stop.abort();
      },
    }),
  };
  const { losses } = await ran({ strategies: [watching(seen), stopping], steps: 9 }, stop.signal);
  expect(losses).toHaveLength(3);
  expect(seen.map(({ at }) => at.last)).toEqual([false, false, true]);
});

test("what endStep publishes is what the next step computes with", async () => {
  const zeroing: Strategy = {
    name: "zeroing",
    store: (inner) => ({
      async endStep() {
        for (const { name } of inner.owned()) {
          const value = await inner.piece(name);
          await inner.update(name, tf.zerosLike(value));
          value.dispose();
        }
      },
    }),
  };
  const { losses, weights } = await ran({ strategies: [zeroing], steps: 3 });
  expect(losses[1]).not.toBe(losses[0]);
  for (const values of weights.values()) expect(values.every((value) => value === 0)).toBe(true);
});

test("optimizer state may live elsewhere: the same bits, and none of it held here", async () => {
  const shelf = new Map<string, Float32Array[]>();
  const elsewhere: Strategy = {
    name: "elsewhere",
    store: (inner) => ({
      async slots(name) {
        const { shape } = inner.owned().find((spec) => spec.name === name)!;
        return shelf.get(name)?.map((values) => tf.tensor(values, [...shape]));
      },
      async keepSlots(name, slots) {
        shelf.set(name, await Promise.all(slots.map((slot) => slot.data() as Promise<Float32Array>)));
        tf.dispose([...slots]);
      },
    }),
  };
  const found = await ran({ strategies: [elsewhere] });
  expect(bits(found)).toEqual(bits(await ran()));
  expect(found.outcomes[0]!.peak.optimizer).toBe(0);
  expect(shelf.size).toBe(found.plan.specs.length);
});
