// The conformance suite of strategies, on tensor parallelism.
import { testStrategy } from "@orthant/testing";
import { test } from "vitest";
import { tensorParallel } from "../src/index.ts";

for (const { name, run } of testStrategy(() => tensorParallel(), { refused: ["tensorParallel"] })) test(name, run);
