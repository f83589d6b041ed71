// The backend under Orthant's own training loop, on the emulator: the losses of a small GPT are those of the cpu device.
import { adamw, type Device, memory, train } from "@orthant/core";
import { gpt, text } from "@orthant/nn";
import * as tf from "@tensorflow/tfjs";
import { expect, test } from "vitest";
import { cuda } from "../src/index.ts";
import { emulatedGpu } from "./emulator/gpu.ts";
import { useGpu } from "./kernels/compare.ts";

async function losses(device: Device | "cpu"): Promise<readonly number[]> {
  const model = gpt({ layers: 2, width: 32, heads: 2, context: 16, vocab: 256 });
  const data = text(import.meta.filename, { context: 16 });
  const rest = { optimizer: adamw({ lr: 1e-3 }), clip: 1, steps: 4, run: false, quiet: true } as const;
  return (await train({ model, data, batch: 4, device, transport: memory(), ...rest })).losses;
}

const emulated = (precision: "fp32" | "bf16"): Device => ({
  name: "emulated",
  async start() {
    const backend = useGpu(emulatedGpu(), precision);
    return { backend: "cuda", bytesHeld: () => backend.memoryPool.counters().used, copiesVectors: true, views: true };
  },
});

test.each([
  ["fp32", 1e-5],
  ["bf16", 1e-2],
] as const)("a GPT's losses at %s are those of the cpu device", { timeout: 120_000 }, async (precision, most) => {
  const [expected, found] = [await losses("cpu"), await losses(emulated(precision))];
  for (const [i, loss] of found.entries()) expect(Math.abs(loss / expected[i]! - 1)).toBeLessThan(most);
});

test("without a driver the device says what it looked for, and an unknown precision which there are", async () => {
  await expect(cuda().start({ localRank: 0, precision: "fp8" })).rejects.toThrow(
    'no precision "fp8"; there are fp32, tf32, bf16',
  );
  const started = cuda().start({ localRank: 0 });
  await started.then(
    ({ backend }) => expect(backend).toBe("cuda"),
    (error: Error) => expect(error.message).toMatch(/^device cuda: .*(driver|GPU|pip install)/),
  );
  expect(tf.findBackendFactory("cpu")).toBeDefined();
});
