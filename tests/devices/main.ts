// The conformance suite of a device on whichever runtime started it; exits with 1 where a case failed.
// Usage: node tests/devices/main.ts DEVICE [SEED]
import { argv, exit } from "node:process";
import type { DeviceName } from "@orthant/core";
import { runCases, testDevice } from "@orthant/testing";

const [device, seed] = argv.slice(2);
if (!device) throw new Error("which device? node tests/devices/main.ts DEVICE [SEED]");
const cases = testDevice(device as DeviceName, seed === undefined ? {} : { seed: Number(seed) });
const failed = await runCases(cases, (line) => {
  if (line.startsWith("FAIL") || line.includes("seed")) console.log(line);
});
console.log(`${device}: ${cases.length - failed} passed, ${failed} failed`);
exit(failed || !cases.length ? 1 : 0);
