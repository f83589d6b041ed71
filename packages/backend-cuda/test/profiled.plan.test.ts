// A profile: nothing before it begins, then each kernel by name with its time, and a trace that a browser opens.
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { profiled } from "../src/driver/profiled.ts";
import { recorder } from "./nvrtc/recorder.ts";

const square = { m: 1000, n: 1000, k: 1000, transposeA: false, transposeB: true, batch: 1, strideA: 0, strideB: 0 };
const product = { ...square, typeAB: "bf16", typeD: "bf16", epilogue: "none" } as const;
const at = { a: 1, b: 2, bias: 0, beside: 0, d: 3 };

test("kernels are timed by name from the time it begins, products with what they reach", async () => {
  const gpu = profiled({
    ...recorder(),
    time: async (work) => {
      work();
      return 2;
    },
  });
  const launch = gpu.compile({ name: "add", takes: "i", source: "" });
  launch(1, 1, 32, 7);
  gpu.begin();
  for (let i = 0; i < 3; i++) launch(1, 1, 32, 7);
  gpu.multiply(product, at);
  await new Promise(setImmediate);
  expect(gpu.table(1).split("\n")).toEqual([
    "     6.000 ms  75.0 %      3 calls  add",
    "     8.000 ms 100.0 %      4 calls  in all",
  ]);
  expect(gpu.table()).toContain("multiply 1 x 1000 1000 1000 nt bf16 none  1 TFLOP/s");
  const path = join(mkdtempSync(join(tmpdir(), "orthant-profile-")), "trace.json");
  gpu.writeTrace(path);
  const slices = JSON.parse(readFileSync(path, "utf8")) as { name: string; dur: number }[];
  expect(slices.map(({ name, dur }) => [name, dur])).toEqual([
    ...Array.from({ length: 3 }, () => ["add", 2000]),
    ["multiply 1 x 1000 1000 1000 nt bf16 none", 2000],
  ]);
});
