// The conformance suite of strategies, on the pipeline.
import { pipeline } from "@orthant/pipeline";
import { describe, test } from "vitest";
import { testStrategy } from "../src/index.ts";

for (const schedule of ["gpipe", "1f1b"] as const)
  describe(schedule, () => {
    for (const { name, run } of testStrategy(() => pipeline({ schedule, micros: 4 }), { refused: ["pipeline"] }))
      test(name, run);
  });
