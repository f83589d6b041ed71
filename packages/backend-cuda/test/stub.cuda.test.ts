// The code that drives a card, on a library that answers like one and computes nothing: what a launch hands over, and what a step
// finds again.
import { expect, test } from "vitest";
import { openGpu } from "../src/driver/cuda.ts";
import { allocator } from "../src/memory/allocator.ts";
import { installStub } from "./stub/install.ts";

const seen = installStub();
const gpu = openGpu({ compute: "bf16" });

test("a launch hands over pointers, whole numbers and fractions, each in its place", () => {
  const before = seen.launches();
  const launch = gpu.compile({ name: "any", takes: "pifp", source: "" });
  launch(3, 1, 256, 2 ** 45 + 8, -7, 0.5, 4096);
  const last = seen.last();
  const word = (at: number) => new DataView(last, 8 * at);
  expect(seen.launches()).toBe(before + 1);
  expect(word(0).getBigUint64(0, true)).toBe(2n ** 45n + 8n);
  expect(word(1).getInt32(0, true)).toBe(-7);
  expect(word(2).getFloat32(0, true)).toBe(0.5);
  expect(word(3).getBigUint64(0, true)).toBe(4096n);
});

test("products, attention, copies and reads go through", async () => {
  const memory = allocator(gpu);
  const at = (bytes: number) => memory.take(bytes, "a test");
  const product = {
    m: 64,
    n: 64,
    k: 64,
    transposeA: false,
    transposeB: false,
    batch: 1,
    strideA: 0,
    strideB: 0,
  } as const;
  gpu.multiply(
    { ...product, typeAB: "bf16", typeD: "bf16", epilogue: "bias" },
    { a: at(8192), b: at(8192), bias: at(128), beside: 0, d: at(8192) },
  );
  const shape = { B: 1, T: 64, H: 1, K: 64, row: 64, type: "bf16" } as const;
  gpu.attention!.forward(shape, 1, memory, { q: at(8192), k: at(8192), v: at(8192), y: at(8192), lse: at(256) });
  const into = new Uint8Array(16).fill(1);
  gpu.upload(at(16), into);
  await gpu.downloadLater(into, at(16));
  expect([...into]).toEqual(new Array(16).fill(0)); // the stub's memory is never written
  gpu.wait();
});
