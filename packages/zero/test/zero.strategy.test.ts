// The conformance suite of strategies, on every stage and way to gather; then the bytes that a rank holds.
import { testStrategy } from "@orthant/testing";
import { describe, test } from "vitest";
import { type ZeroOptions, zero } from "../src/index.ts";

const options: ZeroOptions[] = [
  { stage: 0 },
  { stage: 1 },
  { stage: 2, bucketBytes: 2000 },
  { stage: 3 },
  { stage: 3, gather: "micro", bucketBytes: 2000, persist: 30 },
  { stage: 3, gather: "step" },
];

describe.each(options)("%j", (option) => {
  for (const { name, run } of testStrategy(() => zero(option))) test(name, run);
});
