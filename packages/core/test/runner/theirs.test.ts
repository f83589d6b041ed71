// The same under the runners that runtimes bring, which keep to `node:test`.
import { equal } from "node:assert/strict";
import { test } from "node:test";
import { train } from "@orthant/core";
import { zero } from "@orthant/zero";
import { training } from "../small.ts";

test("trains on four ranks", async () => {
  const options = training({ mesh: { dp: 4 }, micros: 1, strategies: [zero({ stage: 3 })] });
  equal((await train(options)).losses.length, 4);
});
