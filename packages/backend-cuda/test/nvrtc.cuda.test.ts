// Every kernel that the operations of cases.ts ask for compiles by NVRTC for three generations of cards. Needs no GPU.
import * as tf from "@tensorflow/tfjs";
import { expect, test } from "vitest";
import { compiler } from "../src/driver/nvrtc.ts";
import { allocator } from "../src/memory/allocator.ts";
import { prelude } from "../src/sources/prelude.ts";
import { attentionOperations } from "./kernels/attention.ts";
import { operations } from "./kernels/cases.ts";
import { useGpu } from "./kernels/compare.ts";
import { convolutionOperations } from "./kernels/convolutions.ts";
import { tensor } from "./kernels/draws.ts";
import { namedOperations } from "./kernels/named.ts";
import { installNvrtc } from "./nvrtc/install.ts";
import { recorder } from "./nvrtc/recorder.ts";

const gpu = recorder();
const all = [...operations, ...convolutionOperations, ...namedOperations];
for (const [precision, asked] of [
  ["fp32", all],
  ["bf16", [...all, ...attentionOperations]],
  ["tf32", attentionOperations.filter(([name]) => /64/.test(name))], // halves differ from bf16 in the names of instructions
] as const) {
  useGpu(gpu, precision, allocator(gpu));
  tf.setBackend("cuda");
  for (const [, make] of asked) {
    const { inputs, run } = make();
    tf.tidy(() => [run(...inputs.map(tensor))].flat().length);
  }
}
const nvrtc = compiler(installNvrtc());

test.each(["sm_80", "sm_90a", "sm_100"])("all kernels compile for %s", { timeout: 600_000 }, (architecture) => {
  const sources = [...gpu.programs.values()].map(({ source }) => source);
  expect(sources.length).toBeGreaterThan(100);
  for (const source of sources) expect(nvrtc.compile(prelude + source, architecture).length).toBeGreaterThan(0);
});
