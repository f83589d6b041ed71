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

/** Every piece of work takes 2 ms. */
const steady = () =>
  profiled({
    ...recorder(),
    time: async (work) => {
      work();
      return 2;
    },
  });

test("kernels are timed by name from the time it begins, with what of the card's peak they reach", async () => {
  const gpu = steady();
  const [a, b] = [gpu.allocate(2 ** 27), gpu.allocate(2 ** 27)];
  const launch = gpu.compile({ name: "add", takes: "pipp", source: "" });
  launch(1, 1, 32, a, 7, b, b);
  gpu.begin();
  for (let i = 0; i < 3; i++) launch(1, 1, 32, a, 7, b, b);
  gpu.multiply(product, at);
  gpu.compile({ name: "many", takes: "pi", source: "", blockBytes: 2 ** 20 })(64, 1, 32, a, 7);
  await new Promise(setImmediate);
  // a copy moves 2 x 256 MiB in 2 ms, a product has 2 x 8192^3 FLOP
  expect(gpu.table(2).split("\n").slice(0, 4)).toEqual([
    "      time    of all         calls of peak  kernel",
    "     6.000 ms  60.0 %      3 calls    50 %  add",
    "     2.000 ms  20.0 %      1 calls     0 %  multiply 1 x 1000 1000 1000 nt bf16 none  1 TFLOP/s",
    "    10.000 ms 100.0 %      5 calls          in all",
  ]);
  expect(gpu.table()).toContain("20.0 %      1 calls    13 %  many");
  expect(gpu.table()).toContain(
    "the highest share of 0.27 TB/s of a copy, 550 TFLOP/s of a bf16 product, measured on this card",
  );
  const path = join(mkdtempSync(join(tmpdir(), "orthant-profile-")), "trace.json");
  gpu.writeTrace(path);
  const slices = JSON.parse(readFileSync(path, "utf8")) as { name: string; dur: number }[];
  expect(slices.map(({ name, dur }) => [name, dur])).toEqual([
    ...Array.from({ length: 3 }, () => ["add", 2000]),
    ["multiply 1 x 1000 1000 1000 nt bf16 none", 2000],
    ["many", 2000],
  ]);
});

test("a kernel whose tensors are parts of blocks has no share", async () => {
  const gpu = steady();
  gpu.begin();
  gpu.compile({ name: "slice", takes: "p", source: "" })(1, 1, 32, gpu.allocate(2 ** 27) + 256);
  await new Promise(setImmediate);
  expect(gpu.table(1)).toContain("1 calls          slice");
});
