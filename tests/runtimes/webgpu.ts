// One 3D mesh of the differential test on the webgpu device against one wasm device: no path needs a synchronous read.
// Usage: deno run -A tests/runtimes/webgpu.ts; needs a Vulkan driver, lavapipe will do (scripts/setup-webgpu.ts).
import { exit } from "node:process";
import { differential, type MeshCase, showTable, underSgd } from "@orthant/testing";

const cases: MeshCase[] = [{ pp: 2, dp: 2, tp: 2, schedule: "1f1b", stage: 3 }];
const rows = await differential({
  ...underSgd(),
  cases,
  steps: 3,
  device: "webgpu",
  reference: "wasm",
  tolerance: 1e-4,
});

console.log(showTable(rows));
const failed = rows.filter(({ failures }) => failures.length).length;
console.log(`${rows.length - failed} passed, ${failed} failed`);
exit(failed ? 1 : 0);
