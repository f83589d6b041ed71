// A rank's count of bytes: peaks by kind and together, and the cap.
import { expect, test } from "vitest";
import { Meter } from "../src/index.ts";

test("keeps each kind's peak, and that of all together", () => {
  const meter = new Meter();
  meter.add("params", 8);
  meter.add("grads", 4);
  meter.add("params", -8);
  meter.add("optimizer", 10);
  expect([meter.peak, meter.peakTotal]).toEqual([{ params: 8, grads: 4, optimizer: 10, activations: 0 }, 14]);
});

test("throws where the cap is passed, with the sum; freeing never does", () => {
  const meter = new Meter(10);
  meter.add("params", 10);
  expect(() => meter.add("grads", 4)).toThrow(
    "more is held than capBytes 10 allows: parameters 10 + gradients 4 + optimizer 0 + activations 0 = 14 bytes",
  );
  meter.add("grads", -1);
});
