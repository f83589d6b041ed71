// Streams in runs: one that goes on from a checkpoint sees the samples of one that never stopped; a second run in a script starts anew.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { adamw, type Data, memory, train } from "@orthant/core";
import { zero } from "@orthant/zero";
import { afterAll, expect, test } from "vitest";
import { mlp, type Pass, stream } from "../src/index.ts";

const folder = mkdtempSync(join(tmpdir(), "orthant-stream-"));
afterAll(() => rmSync(folder, { recursive: true }));

const side = { shape: [1], dtype: "float32" } as const;
const x = (i: number) => Math.sin(i);
const point = (i: number) => ({ input: Float32Array.of(x(i)), target: Float32Array.of(2 * x(i) + 1) });

const job = {
  model: mlp({ inputs: 1, outputs: 1, layers: 1, width: 4 }),
  batch: 4,
  mesh: { dp: 2 },
  strategies: [zero({ stage: 1 })],
  optimizer: adamw({ lr: 0.01 }),
  transport: memory(),
  run: false,
  quiet: true,
} as const;

const kinds: Readonly<Record<string, (drawn: number[]) => Data>> = {
  "drawn and dropped": (drawn) =>
    stream(
      async function* ({ from }: Pass) {
        for (let i = 0; i < 10; i++) {
          drawn.push(from + i);
          yield point(i);
        }
      },
      { input: side, target: side, ahead: 3 },
    ),
  sought: (drawn) =>
    stream(
      async function* ({ from }: Pass) {
        for (let i = from; ; i++) {
          drawn.push(i);
          yield () => point(i % 10);
        }
      },
      { input: side, target: side, ahead: 3, seek: true },
    ),
};

test.each(Object.keys(kinds))("%s: a run that goes on has the losses of one that never stopped", async (name) => {
  const whole = await train({ ...job, data: kinds[name]!([]), steps: 9 });
  const dir = join(folder, name);
  const begun = await train({ ...job, data: kinds[name]!([]), steps: 5, checkpoint: { every: 5, dir } });
  const drawn: number[] = [];
  const gone = await train({ ...job, data: kinds[name]!(drawn), steps: 9, resume: dir });
  expect([...begun.losses, ...gone.losses]).toEqual(whole.losses);
  const passed = drawn.filter((i) => i > 6 && i < 16); // the first microbatch is compared between workers, with 3 ahead of it
  expect(passed.length).toBe(name === "sought" ? 0 : 9);
});

test("a second run on the same stream draws it anew", async () => {
  const data = kinds["drawn and dropped"]!([]);
  const first = await train({ ...job, data, steps: 6 });
  expect((await train({ ...job, data, steps: 6 })).losses).toEqual(first.losses);
});
