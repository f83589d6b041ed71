// A Node that is too old is told so in one line; Deno and Bun are not asked.
import { expect, test } from "vitest";
import { checkRuntime } from "../src/plan/runtime.ts";

const versions = (node: string, rest: object = {}) => ({ node, ...rest }) as NodeJS.ProcessVersions;

test.each(["20.19.2", "22.17.1", "18.0.0"])("Node %s is too old", (node) => {
  expect(() => checkRuntime(versions(node))).toThrow(`needs Node 22.18 or newer, and this is ${node}`);
});

test.each(["22.18.0", "22.20.1", "24.0.0"])("Node %s is not", (node) => checkRuntime(versions(node)));

test("Deno and Bun say which Node they are like", () => {
  checkRuntime(versions("20.1.0", { deno: "2.9.6" }));
  checkRuntime(versions("20.1.0", { bun: "1.4.5" }));
});
