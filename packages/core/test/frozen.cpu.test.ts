// Frozen parameters: they never change, and take no gradient, no optimizer state and no bytes for them.
import { pipeline } from "@orthant/pipeline";
import { zero } from "@orthant/zero";
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { zbH1 } from "../../testing/schedules/zb-h1.ts";
import { adamw, type Strategy, useDevice } from "../src/index.ts";
import { initialValues } from "../src/params/params.ts";
import { bits, type Ran, ran, small } from "./small.ts";

beforeEach(() => useDevice("cpu"));
let before = 0;
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

const freezing = (frozen: (name: string) => boolean) => small((name) => ({ frozen: frozen(name) }));
/** What comes first is frozen, and a weight in the middle. */
const early = (name: string) => /^(in|0|1)\./.test(name) || name === "2.mlp.down";
const optimizer = () => adamw({ lr: 0.01, weightDecay: 0.1 });

function checkFrozen({ plan, weights }: Ran): void {
  for (const spec of plan.specs) {
    const moved = weights.get(spec.name)!.some((value, i) => value !== initialValues(spec, 0, {}, {})[i]);
    expect([spec.name, moved]).toEqual([spec.name, !spec.frozen]);
  }
}

function checkBytes({ plan, outcomes }: Ran): void {
  for (const { rank, bytes } of plan.ranks) expect(outcomes[rank]!.peak).toEqual(bytes);
}

test("one rank: nothing frozen moves, all else does, and bytes are those of the plan", async () => {
  const found = await ran({ model: freezing(early), optimizer: optimizer() });
  checkFrozen(found);
  checkBytes(found);
  const sizes = (frozen: boolean) =>
    found.plan.specs
      .filter((spec) => !!spec.frozen === frozen)
      .reduce((sum, { shape }) => sum + shape.reduce((n, size) => n * size, 1), 0);
  const { params, grads, optimizer: state } = found.outcomes[0]!.peak;
  expect(sizes(true)).toBeGreaterThan(0);
  expect([params, grads, state]).toEqual([4 * (sizes(true) + sizes(false)), 4 * sizes(false), 8 * sizes(false)]);
});

test("the trained ones move as they would if all were trained: what is frozen only stands still", async () => {
  const grads: Record<string, number[]> = {};
  const watch = (into: Record<string, number[]>): Strategy => ({
    name: "watch",
    store: () => ({
      async reduce(names, given) {
        for (const [i, name] of names.entries()) into[name] = [...given[i]!.dataSync()];
        return [...given];
      },
    }),
  });
  const all: typeof grads = {};
  await ran({ model: freezing(early), strategies: [watch(grads)], steps: 1 });
  await ran({ strategies: [watch(all)], steps: 1 });
  expect(Object.keys(grads)).toEqual(Object.keys(all).filter((name) => !early(name)));
  for (const [name, values] of Object.entries(grads)) expect(values).toEqual(all[name]);
});

const schedules = { gpipe: "gpipe", "1f1b": "1f1b", "zb-h1": zbH1 } as const;

describe.each(Object.entries(schedules))("%s", (_, schedule) => {
  test.each([2, 3, 6])("pp %i, the first stages frozen: the bits of one rank", async (pp) => {
    const strategies = [pipeline({ schedule, micros: 4 })];
    const found = await ran({ model: freezing(early), mesh: { pp }, strategies, optimizer: optimizer() });
    expect(bits(found)).toEqual(bits(await ran({ model: freezing(early), optimizer: optimizer() })));
    checkFrozen(found);
    checkBytes(found);
  });
});

test.each([0, 3] as const)(
  "under ZeRO %i: nothing is reduced, gathered again or kept for what is frozen",
  async (stage) => {
    const found = await ran({
      model: freezing(early),
      mesh: { dp: 2 },
      strategies: [zero({ stage })],
      optimizer: optimizer(),
    });
    checkFrozen(found);
    checkBytes(found);
    const sent = found.outcomes.reduce((sum, outcome) => sum + (outcome.sent.dp ?? 0), 0);
    expect(sent).toBe(4 * found.plan.sent.dp!);
  },
);

test("a frozen tie is one value too", async () => {
  const model = small((name) => (/^(in|out)\.weight/.test(name) ? { tie: "ends", frozen: true } : {}));
  const piped = await ran({ model, mesh: { pp: 2 }, strategies: [pipeline({ schedule: "1f1b", micros: 4 })] });
  checkFrozen(piped);
  expect(bits(piped)).toEqual(bits(await ran({ model })));
});
