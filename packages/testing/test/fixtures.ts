// Fixtures on meshes against one device, for the tests beside: losses, gradients, parameters, bytes sent and held, tensors.
import { type Mesh, memory, type Strategy, sgd, type TrainOptions } from "@orthant/core";
import { expect, test } from "vitest";
import { accountingFailures, errorsBetween } from "../src/compare.ts";
import { toleranceFailures } from "../src/differential.ts";
import type { Features, Fixture } from "../src/fixture/fixture.ts";
import { fixtureData, fixtureModel } from "../src/fixture/model.ts";
import { type Observed, observe } from "../src/observe.ts";

/** One run. */
export interface Run extends Pick<TrainOptions, "recompute" | "steps"> {
  readonly features?: Features;
  readonly mesh?: Mesh;
  readonly strategies?: readonly Strategy[];
}

export const optionsOf = ({ features = {}, ...run }: Partial<Run>): TrainOptions => ({
  model: fixtureModel(features),
  data: fixtureData,
  batch: 24,
  micros: 2,
  optimizer: sgd({ lr: 0.03, momentum: 0.9 }),
  clip: 1,
  steps: 2,
  run: false,
  quiet: true,
  ...run,
});

export const run = (how: Partial<Run>): Promise<Observed> => observe(optionsOf(how), memory());

/** Bytes that a rank held otherwise than planned, in words. */
const heldFailures = ({ plan, outcomes }: Observed): string[] =>
  plan.ranks.flatMap(({ rank, bytes }) => {
    const [planned, held] = [JSON.stringify(bytes), JSON.stringify(outcomes[rank]!.peak)];
    return planned === held ? [] : [`rank ${rank} was planned to hold ${planned} and held ${held}`];
  });

/** Expects a run on a mesh to be the run on one device, with the strategies of `alone`. */
export async function expectAsAlone(how: Partial<Run>, alone: readonly Strategy[] = []): Promise<Observed> {
  const { mesh: _, recompute: __, ...one } = how;
  const expected = await run({ ...one, strategies: alone });
  const found = await run(how);
  const errors = toleranceFailures(errorsBetween(found, expected), 1e-5, false);
  expect([...errors, ...accountingFailures(found), ...heldFailures(found)]).toEqual([]);
  return found;
}

/** One test a size of the fixture's axis. */
export function sizesTests({ make, features = {} }: Fixture, alone: readonly Strategy[] = []): void {
  test.each([1, 2, 3, 4])("size %i is as one device", async (size) => {
    await expectAsAlone({ features, ...make({ size, batch: "dp", beside: [] }) }, alone);
  });
}
