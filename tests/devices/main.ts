// The conformance suite of a device on whichever runtime started it; exits with 1 where a case failed.
// Usage: node tests/devices/main.ts DEVICE [SEED]
import { argv, exit } from "node:process";
import type { DeviceName } from "@orthant/core";
import { runCases, testDevice } from "@orthant/testing";

const [device, seed] = argv.slice(2);
if (!device) throw new Error("which device? node tests/devices/main.ts DEVICE [SEED]");
const options = seed === undefined ? {} : { seed: Number(seed) };
/** WGSL promises sine and cosine to 2^-11, and SwiftShader takes it at its word. */
const rough = device === "webgpu" ? /^(sin|cos|rotary)$/ : /^$/;
const cases = [
  ...testDevice(device as DeviceName, options).filter(({ name }) => !rough.test(name)),
  ...testDevice(device as DeviceName, { ...options, tolerance: 2 ** -11 }).filter(({ name }) => rough.test(name)),
];
const failed = await runCases(cases, (line) => {
  if (line.startsWith("FAIL") || line.includes("seed")) console.log(line);
});
console.log(`${device}: ${cases.length - failed} passed, ${failed} failed`);
exit(failed || !cases.length ? 1 : 0);
