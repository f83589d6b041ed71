// Every suite that must hold on Node, Deno and Bun alike: plain lists of cases, no test framework.
import { pipeline } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import {
  type Case,
  differentialCases,
  extras,
  grid,
  type MeshCase,
  onThreads,
  showCase,
  testDevice,
  testStrategy,
  tinyLlama,
  underAdamw,
  underSgd,
} from "@orthant/testing";
import { zero } from "@orthant/zero";
import { workersFor } from "./threads-host.ts";
import { transportSuite } from "./transports.ts";

const named = (name: string, cases: readonly Case[]): Case[] =>
  cases.map((each) => ({ ...each, name: `${name}: ${each.name}` }));

/** Pairs are not about the runtime. */
const alone = { beside: [] };

const strategySuite: Case[] = [
  ...named(
    "zero 0",
    testStrategy(() => zero({ stage: 0 }), alone),
  ),
  ...named(
    "zero 3",
    testStrategy(() => zero({ stage: 3 }), alone),
  ),
  ...named(
    "zero 3 step",
    testStrategy(() => zero({ stage: 3, gather: "step" }), alone),
  ),
  ...named(
    "tensor-parallel",
    testStrategy(() => tensorParallel(), alone),
  ),
  ...named(
    "pipeline",
    testStrategy(() => pipeline({ schedule: "1f1b", micros: 4 }), alone),
  ),
];

/** A few meshes of the differential test, the whole 3D one with every option. */
const meshes = [
  "pp 1 dp 3 tp 1 gpipe zero 3",
  "pp 2 dp 1 tp 2 gpipe zero 0",
  "pp 4 dp 1 tp 1 1f1b  zero 0",
  "pp 2 dp 2 tp 2 1f1b  zero 0",
  "pp 2 dp 2 tp 2 1f1b  zero 3",
];
const some: readonly MeshCase[] = [...grid, ...extras].filter((at) =>
  meshes.some((mesh) => showCase(at).startsWith(mesh)),
);

/** Named with the strategies, which are tested at length elsewhere than in `npm test`. */
const llamaSuite: Case[] = named(
  "llama",
  differentialCases({ ...underSgd(), steps: 6, model: tinyLlama({ tied: true }), cases: some }),
);

const differentialSuite: Case[] = [
  ...differentialCases({ ...underAdamw(), cases: some }),
  ...differentialCases({ ...underSgd(), cases: [...some, ...onThreads(some.slice(-2))], threads: workersFor("sgd") }),
];

export const suites: readonly (readonly Case[])[] = [
  named("transport", transportSuite),
  named("strategy", [...strategySuite, ...llamaSuite]),
  named("differential", differentialSuite),
  named("device", testDevice("wasm")),
];
