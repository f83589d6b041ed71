// An independent axis: each member is an island that trains for itself, and all end in the same step, where they meet.
import { pipeline } from "@orthant/pipeline";
import { zero } from "@orthant/zero";
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type Data,
  type Mesh,
  memory,
  memoryEndpoints,
  type Outcome,
  plan,
  run,
  type Strategy,
  useDevice,
} from "../src/index.ts";
import { runRank } from "../src/rank/rank.ts";
import { ran, training, vectors } from "./small.ts";

beforeEach(() => useDevice("cpu"));
let before = 0;
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

const islands = (every: number, axis = "island"): Strategy => ({
  name: "islands",
  axis,
  divides: "batch",
  independent: { every },
});

/** What island `at` of `of` sees of every batch, as a run of its own would. */
const share = (at: number, of: number, batch: number): Data => ({
  ...vectors,
  sample: (index, seed) => {
    const part = batch / of;
    return vectors.sample(Math.floor(index / part) * batch + at * part + (index % part), seed);
  },
});

const pieces = ({ pieces }: Outcome) => [...pieces].map(([name, values]) => [name, [...values]]);

describe.each([2, 4])("%i islands", (size) => {
  test("each has its own samples, loss, norm and clipping: the bits of a run alone", async () => {
    const together = await ran({ micros: 2, mesh: { island: size }, strategies: [islands(2)], clip: 0.1 });
    for (const outcome of together.outcomes) {
      const data = share(outcome.rank, size, 8);
      const alone = await ran({ micros: 2, batch: 8 / size, data, clip: 0.1 });
      expect(outcome.losses).toEqual(alone.losses);
      expect(pieces(outcome)).toEqual(pieces(alone.outcomes[0]!));
      if (outcome.rank === 0) expect(together.reports.map((r) => r.norm)).toEqual(alone.reports.map((r) => r.norm));
    }
    expect(new Set(together.outcomes.map(({ losses }) => losses[0])).size).toBe(size);
  });

  test("nothing is sent among them", async () => {
    const { outcomes, plan } = await ran({ micros: 2, mesh: { island: size }, strategies: [islands(2)] });
    expect([plan.sent.island ?? 0, ...outcomes.map(({ sent }) => sent.island ?? 0)]).toEqual(Array(size + 1).fill(0));
  });
});

test("an island may be a mesh: the members of one agree, and no others", async () => {
  const strategies = () => [islands(2), pipeline({ schedule: "1f1b", micros: 2 }), zero({ stage: 3 })];
  const { outcomes, plan } = await ran({ mesh: { island: 2, pp: 2, dp: 2 }, strategies: strategies(), clip: 0.1 });
  for (const at of [0, 1]) {
    const data = share(at, 2, 8);
    const alone = await ran({ batch: 4, data, mesh: { pp: 2, dp: 2 }, strategies: strategies().slice(1), clip: 0.1 });
    const mine = outcomes.filter(({ rank }) => plan.ranks[rank]!.coords.island === at);
    for (const [i, outcome] of mine.entries()) {
      expect(outcome.losses).toEqual(alone.losses);
      expect(pieces(outcome)).toEqual(pieces(alone.outcomes[i]!));
    }
  }
});

/** Runs each rank with a stop signal of its own: `asks` tells whether a rank wants to stop in a step. */
async function stopped(mesh: Mesh, strategies: readonly Strategy[], asks: (rank: number, step: number) => boolean) {
  const options = training({ mesh, strategies, steps: 12, batch: 12, micros: 1 });
  const decided = await plan(options);
  const outcomes = await Promise.all(
    memoryEndpoints(decided.ranks.length, { stall: 5000 }).map(async (endpoint) => {
      let step = 0;
      const outcome = await runRank({
        options,
        plan: decided,
        endpoint,
        events: {},
        stopped: () => (asks(endpoint.rank, step++) ? 15 : 0),
      });
      await endpoint.close();
      return outcome;
    }),
  );
  return outcomes.map(({ losses }) => losses.length);
}

describe("the stop signal", () => {
  const from = (rank: number, step: number) => (at: number, now: number) => at === rank && now >= step;

  test.each([
    [3, 0, 3],
    [3, 2, 3],
    [3, 3, 6],
    [1, 4, 5],
    [5, 9, 10],
    [5, 11, 12],
  ])("islands meet every %i steps, one hears it in step %i: all have done %i", async (every, step, done) => {
    for (const rank of [0, 1, 2])
      expect(await stopped({ island: 3 }, [islands(every)], from(rank, step))).toEqual([done, done, done]);
  });

  test("one rank of an island speaks for all of it, and for all islands", async () => {
    const strategies = [islands(2), zero({ stage: 0 })];
    expect(await stopped({ island: 2, dp: 2 }, strategies, from(3, 4))).toEqual([6, 6, 6, 6]);
  });

  test("of two independent axes the run ends where both meet", async () => {
    const strategies = [islands(2, "a"), islands(3, "b")];
    expect(await stopped({ a: 2, b: 2 }, strategies, from(1, 1))).toEqual([6, 6, 6, 6]);
  });

  test("without islands everyone ends in the step in which one hears it", async () => {
    expect(await stopped({ dp: 3 }, [zero({ stage: 0 })], from(2, 4))).toEqual([5, 5, 5]);
  });
});

test.each([
  [1, 3],
  [3, 3],
  [4, 6],
])("a session that is closed after step %i goes on to where islands meet: all have done %i", async (asked, done) => {
  const job = training({ mesh: { island: 2 }, strategies: [islands(3)], steps: 6, transport: memory() });
  const session = await run(job);
  for await (const { step } of session) if (step === asked - 1) break;
  expect((await session.close()).losses).toHaveLength(done);
});
