// The strategies that come with this library, as fixtures: what others are put together with.
import { pipeline } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import { type ZeroOptions, zero } from "@orthant/zero";
import type { Fixture } from "./fixture/fixture.ts";

const zeroFixture = (name: string, options: Omit<ZeroOptions, "axis">): Fixture => ({
  name,
  make: ({ size, batch }) => ({ mesh: { [batch]: size }, strategies: [zero({ ...options, axis: batch })] }),
});

/** ZeRO 0 and 3, pipeline by 1F1B, tensor parallelism. */
export const builtIn: readonly Fixture[] = [
  zeroFixture("zero 0", { stage: 0 }),
  zeroFixture("zero 3", { stage: 3 }),
  {
    name: "pipeline",
    make: ({ size }) => ({ mesh: { pp: size }, strategies: [pipeline({ schedule: "1f1b", micros: 2 })] }),
  },
  { name: "tensorParallel", make: ({ size }) => ({ mesh: { tp: size }, strategies: [tensorParallel()] }) },
];

/** ZeRO 3 that gathers a stage's parameters once a step. */
export const zero3Step: Fixture = zeroFixture("zero 3 step", { stage: 3, gather: "step" });
