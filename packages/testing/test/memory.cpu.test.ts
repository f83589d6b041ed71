// Bytes that ranks held against bytes that `plan` promised.
import { memory, type Plan } from "@orthant/core";
import { describe, expect, test } from "vitest";
import {
  caseOptions,
  extras,
  grid,
  type MeshCase,
  type Observed,
  observe,
  showCase,
  underAdamw,
} from "../src/index.ts";

const held = (at: MeshCase): Promise<Observed> =>
  observe({ ...caseOptions({ ...underAdamw(), steps: 2, cases: [] }, at), transport: memory() });

type Bytes = Plan["ranks"][number]["bytes"];
function eachRank({ plan, outcomes }: Observed, check: (planned: Bytes, peak: Bytes) => void): void {
  for (const { rank, bytes } of plan.ranks) check(bytes, outcomes[rank]!.peak);
}

const sample = [...grid.filter((_, i) => i % 5 === 0), ...extras];

describe.each(sample.map((at) => [showCase(at), at] as const))("%s", (_, at) => {
  test("bytes are as planned, to the byte", async () =>
    eachRank(await held(at), (planned, peak) => expect(peak).toEqual(planned)));
});
