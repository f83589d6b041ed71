// The model that fixtures share: every union of features is one computation on every mesh.
import { type Mesh, memory, plan, type Strategy } from "@orthant/core";
import { runRanks } from "@orthant/core/internal";
import { pipeline } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import { zero } from "@orthant/zero";
import { expect, test } from "vitest";
import { lossError } from "../src/index.ts";
import { context } from "../strategies/context.ts";
import { experts } from "../strategies/experts.ts";
import { expectAsAlone, optionsOf, type Run } from "./fixtures.ts";

const stages = pipeline({ schedule: "1f1b", micros: 2 });
const all = { ring: true, experts: true, dropout: true, tied: true, auxiliary: true };

test.each([
  ["dp 2, zero 3", { dp: 2 }, [zero({ stage: 3 })]],
  ["tp 3", { tp: 3 }, [tensorParallel()]],
  ["pp 4", { pp: 4 }, [stages]],
] as [string, Mesh, Strategy[]][])("without features, %s: as one device", async (_, mesh, strategies) => {
  await expectAsAlone({ mesh, strategies });
});

test("all features on five axes: as one device", async () => {
  const mesh = { pp: 2, dp: 2, cp: 2, ep: 2, tp: 2 };
  const strategies = [tensorParallel(), stages, zero({ stage: 3 }), context(), experts()];
  await expectAsAlone({ features: all, mesh, strategies });
});

/** The auxiliary loss of each step. */
async function auxiliary(how: Partial<Run>): Promise<number[]> {
  const options = optionsOf({ features: { ...all, dropout: false }, ...how });
  const seen: number[] = [];
  const events = {
    onStep: (report: { auxiliary: Readonly<Record<string, number>> }) => seen.push(report.auxiliary.square!),
  };
  await runRanks(memory(), { options, plan: await plan(options), events, stop: new AbortController().signal });
  return seen;
}

test("an auxiliary loss is reported alike on every mesh", async () => {
  const expected = await auxiliary({});
  expect(expected.every((loss) => loss > 0)).toBe(true);
  const meshes: [Mesh, Strategy[]][] = [
    [{ dp: 2, tp: 2 }, [tensorParallel(), zero({ stage: 3 })]],
    [{ pp: 3, cp: 2 }, [stages, context()]],
    [{ ep: 3 }, [experts()]],
  ];
  for (const [mesh, strategies] of meshes) {
    const found = await auxiliary({ mesh, strategies });
    expect(lossError(found, expected)).toBeLessThan(1e-6);
  }
});
