// Attention on tensor cores, behind the emulator: in bf16, and in halves for tf32, against tfjs's cpu backend.
import { describe, expect, test } from "vitest";
import { emulatedGpu } from "./emulator/gpu.ts";
import { attentionOperations } from "./kernels/attention.ts";
import { useGpu, worst } from "./kernels/compare.ts";
import { tensor } from "./kernels/draws.ts";

describe.each([
  ["bf16", 1e-2],
  ["tf32", 2e-3],
] as const)("at %s", (precision, most) => {
  test.each(attentionOperations)("attention of %s is what the cpu backend gives", (_, make) => {
    const backend = useGpu(emulatedGpu(), precision);
    const { inputs, run } = make();
    const found = worst(() => run(...inputs.map(tensor)));
    expect(found).toBeLessThan(most);
    expect(backend.numDataIds()).toBe(0);
  });
});
