// The webgpu device on the runtime that started it: kernels by name and products against the cpu device, meshes of ranks against
// one wasm device, memory, and a lost GPU. `npm run test:webgpu` runs it on three. Arguments: steps of the memory test.
import { argv, exit } from "node:process";
import { type Case, differentialCases, type MeshCase, runCases, underAdamw, underSgd } from "@orthant/testing";
import { kernelCases } from "./webgpu/kernels.ts";
import { productCases } from "./webgpu/products.ts";
import { stateCases } from "./webgpu/states.ts";

const meshes: MeshCase[] = [
  { pp: 1, dp: 2, tp: 1, schedule: "1f1b", stage: 3 },
  { pp: 1, dp: 1, tp: 2, schedule: "1f1b", stage: 0 },
];
const against = { steps: 3, device: "webgpu", reference: "wasm", tolerance: 1e-4 } as const;
const eight: MeshCase = { pp: 2, dp: 2, tp: 2, schedule: "1f1b", stage: 3 };
const cases: Case[] = [
  ...kernelCases(),
  ...productCases(),
  ...differentialCases({ ...underAdamw(), ...against, cases: meshes }),
  ...differentialCases({ ...underSgd(), ...against, cases: [eight] }),
  ...stateCases(Number(argv[2] ?? 25)),
];
const failed = await runCases(cases, (line) => line.startsWith("ok") || console.log(line));
console.log(`${cases.length - failed} passed, ${failed} failed`);
exit(failed ? 1 : 0);
