// Bad input is refused before anything starts, with the arithmetic and a way out.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gpt, text } from "@orthant/nn";
import { pipeline } from "@orthant/pipeline";
import { tensorParallel } from "@orthant/tensor-parallel";
import { tinyGpt, tinySequences } from "@orthant/testing";
import { zero } from "@orthant/zero";
import { afterAll, describe, expect, test } from "vitest";
import { plan, sgd, type TrainOptions } from "../src/index.ts";

const refusal = async (over: object): Promise<string> => {
  const options = { model: tinyGpt(), data: tinySequences(), batch: 12, optimizer: sgd({ lr: 1 }), steps: 1, ...over };
  return plan(options as TrainOptions).then(
    () => "accepted",
    (error: Error) => error.message,
  );
};

const piped = (micros: number) => pipeline({ schedule: "1f1b", micros });

describe("plan refuses", () => {
  test.each<[string, object, RegExp]>([
    [
      "more stages than layers",
      { mesh: { pp: 7 }, strategies: [piped(2)] },
      /pp 7 needs at least 7 layers.*this model has 6: use pp 6 or fewer/,
    ],
    [
      "heads that tp does not divide",
      { mesh: { tp: 3 }, strategies: [tensorParallel()] },
      /tp 3 does not divide dim 1 of 0\.attn\.query \[8, 2, 4\]: 2 \/ 3 is not whole; tp 1, 2 would be/,
    ],
    [
      "a batch that does not divide",
      { mesh: { dp: 5 }, strategies: [zero({ stage: 0 })] },
      /batch 12 does not divide into dp 5 x 1 micros = 5 equal parts: use a batch of 10 or 15, or fewer micros/,
    ],
    [
      "a batch smaller than its parts",
      { batch: 3, mesh: { dp: 2, pp: 1 }, strategies: [piped(2), zero({ stage: 0 })] },
      /dp 2 x 2 micros = 4 equal parts: use a batch of 4, or fewer micros/,
    ],
    ["an unknown device", { device: "gpu" }, /no device "gpu"; there are auto, wasm, cpu, webgpu/],
    ["an unknown option", { lerningRate: 1 }, /train\(\) has no option lerningRate; it has model, data, batch/],
    ["a missing option", { steps: undefined }, /train\(\) needs the option steps/],
    [
      "a strategy given twice",
      { mesh: { dp: 2 }, strategies: [zero({ stage: 0 }), zero({ stage: 3 })] },
      /zero\(\) and zero\(\) both divide the batch along dp: keep one, or give one an axis of its own/,
    ],
    [
      "a strategy for an axis that the mesh lacks",
      { mesh: { pp: 2 }, strategies: [piped(2), zero({ stage: 0 })] },
      /zero\(\) is about axis dp, which the mesh \{ pp: 2 \} lacks: add dp: 1 or more, or drop it/,
    ],
    [
      "an axis without a strategy",
      { mesh: { dp: 2 } },
      /the mesh has dp 2 and no strategy is about dp: add one to strategies, or drop the axis/,
    ],
    [
      "an axis of no size",
      { mesh: { dp: 0 }, strategies: [zero({ stage: 0 })] },
      /mesh axis dp is 0; it must be a whole number from 1/,
    ],
    ["a part of a sample", { batch: 1.5 }, /batch is 1.5; it must be a whole number from 1/],
    ["no steps", { steps: 0 }, /steps is 0; it must be a whole number from 1/],
    ["a clip that is no norm", { clip: 0 }, /clip is 0; it is a norm: give a number above 0, or leave it out/],
    [
      "a pipeline after what it would overwrite",
      { mesh: { pp: 2, dp: 2 }, strategies: [zero({ stage: 3, gather: "step" }), piped(2)] },
      /list pipeline\(\) before the others/,
    ],
    [
      "two layers of one name",
      { model: { ...tinyGpt(), layers: [...tinyGpt().layers, tinyGpt().layers[1]!] } },
      /two parameters are named 0\.norm1\.gain: give each layer its own name/,
    ],
  ])("%s", async (_, over, message) => {
    expect(await refusal(over)).toMatch(message);
  });
});

describe("factories refuse", () => {
  const dir = mkdtempSync(join(tmpdir(), "orthant-"));
  afterAll(() => rmSync(dir, { recursive: true }));
  const file = (content: string) => {
    const path = join(dir, `${content.length}.txt`);
    writeFileSync(path, content);
    return path;
  };

  test("an unknown schedule", () => {
    expect(() => pipeline({ schedule: "2f2b" as "1f1b", micros: 2 })).toThrow(
      'unknown schedule "2f2b": there are gpipe and 1f1b',
    );
  });

  test("a text that is not there, empty, or too short", () => {
    expect(() => text(join(dir, "none.txt"), { context: 8 })).toThrow(
      /there is no such file; paths count from the working directory/,
    );
    expect(() => text(file(""), { context: 8 })).toThrow(/the file is empty/);
    expect(() => text(file("12345678"), { context: 8 })).toThrow(
      /8 bytes are too few for context 8, which needs 8 \+ 1 = 9/,
    );
    expect(() => text(file("123456789"), { context: 8 })).not.toThrow();
  });

  test("heads that do not divide the width", () => {
    expect(() => gpt({ layers: 1, width: 10, heads: 3, context: 4, vocab: 8 })).toThrow(
      "3 heads do not divide width 10: 10 / 3 is not whole",
    );
  });
});
