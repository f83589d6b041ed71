// Runs the suites on whichever runtime started it, and exits with 1 where a case failed.
// Usage: node tests/runtimes/main.ts [words]: only the cases whose name holds one of the words.
import { argv, exit } from "node:process";
import { runCases } from "@orthant/testing";
import { natsSuite } from "./nats.ts";
import { suites } from "./suites.ts";

const words = argv.slice(2);
const overNats = (await natsSuite()).map((each) => ({ ...each, name: `transport: nats: ${each.name}` }));
const cases = [...suites.flat(), ...overNats].filter(
  ({ name }) => words.length === 0 || words.some((word) => name.includes(word)),
);
const failed = await runCases(cases, console.log);
console.log(`${cases.length - failed} passed, ${failed} failed`);
exit(failed === 0 && cases.length > 0 ? 0 : 1);
