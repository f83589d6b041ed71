// The global norm on any mesh: over all ranks, each element of each gradient is counted by exactly one, in each island.
import { expect, test } from "vitest";
import {
  coordsOf,
  elements,
  type Mesh,
  meshSize,
  type ParamSpec,
  randomKey,
  type Strategy,
  uniformInt,
} from "../src/index.ts";
import { eachKept, keptSize } from "../src/params/params.ts";
import { countedRange, rolesOf } from "../src/plan/roles.ts";

/** Whole numbers that repeat from run to run. */
function numbers(seed: number) {
  const key = randomKey(seed, "counted once");
  let drawn = 0;
  const below = (n: number) => uniformInt(key, drawn++, n);
  const shuffled = <T>(items: readonly T[]): T[] => {
    const left = [...items];
    return items.map(() => left.splice(below(left.length), 1)[0]!);
  };
  return { below, shuffled };
}

const strategies: readonly Strategy[] = [
  { name: "pipeline", axis: "pp", divides: "layers" },
  { name: "islands", axis: "island", divides: "batch", independent: { every: 2 } },
  { name: "shard", axis: "a", divides: "batch" },
  { name: "replica", axis: "b", divides: "batch" },
  { name: "context", axis: "cp", divides: { dim: 0 } },
  { name: "tensor", axis: "tp" },
  { name: "same", axis: "same" },
];

/** A mesh, the split of one parameter, and the stages that use it. */
function drawCase(seed: number) {
  const { below, shuffled } = numbers(seed);
  const names = strategies.map(({ axis }) => axis!);
  const mesh: Mesh = Object.fromEntries(shuffled(names).map((axis) => [axis, 1 + below(3)]));
  const split: Record<string, number | "flat"> = {};
  if (below(2)) split.tp = below(2);
  const flat = shuffled(["a", "b", "same", "cp"]).filter(() => below(3) === 0);
  for (const axis of flat) split[axis] = "flat";
  const shape = [0, 1].map((d) => (1 + below(4)) * (split.tp === d ? mesh.tp! : 1));
  const places = Array.from({ length: mesh.pp! }, (_, place) => place).filter(() => below(2));
  const holders = places.length ? places : [below(mesh.pp!)];
  const uses = holders.map((layer) => ({ name: `${layer}.w`, layer }));
  const spec: ParamSpec = { name: "w", shape, init: { kind: "constant", value: 0 }, uses, split };
  return { mesh, spec, holders };
}

/** How often each element is counted, by island. */
function countsOf({ mesh, spec, holders }: ReturnType<typeof drawCase>): Int32Array[] {
  const roles = rolesOf(strategies, mesh);
  const counts = Array.from({ length: mesh.island! }, () => new Int32Array(elements(spec.shape)));
  for (let rank = 0; rank < meshSize(mesh); rank++) {
    const coords = coordsOf(mesh, rank);
    if (!holders.includes(coords.pp!)) continue;
    const kept = keptSize(spec, mesh, coords);
    const [from, to] = countedRange(spec, roles, mesh, coords, { kept, holder: Math.min(...holders) });
    expect([from >= 0, from <= to, to <= kept]).toEqual([true, true, true]);
    eachKept(spec, mesh, coords, (i, g) => {
      if (i >= from && i < to) counts[coords.island!]![g]!++;
    });
  }
  return counts;
}

test("on 600 drawn meshes: batch axes, nested flat cuts, cuts of dims, ties over stages, islands", () => {
  const seen = { nested: 0, cut: 0, tied: 0, islands: 0 };
  for (let seed = 0; seed < 600; seed++) {
    const at = drawCase(seed);
    const { mesh, spec, holders } = at;
    const flat = Object.entries(spec.split).filter(([axis, cut]) => cut === "flat" && mesh[axis]! > 1);
    seen.nested += flat.length > 1 ? 1 : 0;
    seen.cut += "tp" in spec.split && mesh.tp! > 1 ? 1 : 0;
    seen.tied += holders.length > 1 ? 1 : 0;
    seen.islands += mesh.island! > 1 ? 1 : 0;
    for (const counts of countsOf(at)) expect([...new Set(counts)], JSON.stringify(at)).toEqual([1]);
  }
  for (const often of Object.values(seen)) expect(often).toBeGreaterThan(30);
});

test("a chunk is counted where a shard would be, so that sums have the same bits whether it is one or not", () => {
  const mesh = { dp: 3 };
  const roles = rolesOf([{ name: "zero", axis: "dp", divides: "batch" }], mesh);
  const whole: ParamSpec = {
    name: "w",
    shape: [7],
    init: { kind: "constant", value: 0 },
    uses: [{ name: "w", layer: 0 }],
    split: {},
  };
  const sharded: ParamSpec = { ...whole, split: { dp: "flat" } };
  const rangeOf = (spec: ParamSpec, dp: number) =>
    countedRange(spec, roles, mesh, { dp }, { kept: keptSize(spec, mesh, { dp }), holder: 0 });
  expect([0, 1, 2].map((dp) => rangeOf(whole, dp))).toEqual([
    [0, 3],
    [3, 6],
    [6, 7],
  ]);
  expect([0, 1, 2].map((dp) => rangeOf(sharded, dp))).toEqual([
    [0, 3],
    [0, 3],
    [0, 1],
  ]);
});
