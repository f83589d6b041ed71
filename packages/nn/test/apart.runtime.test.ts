// A stream drawn in a thread of its own: while this one computes, epoch after epoch; what breaks is told; nothing keeps the process.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { stream } from "../src/index.ts";

const job = (name: string) => new URL(`./jobs/${name}.ts`, import.meta.url);
const fields = { input: { shape: [2], dtype: "float32" }, target: { shape: [1], dtype: "float32" } } as const;
const busy = (ms: number) => {
  for (const from = performance.now(); performance.now() - from < ms; );
};

test("while this thread computes, samples come ahead, by epochs and with the seed", async () => {
  const data = stream(job("late"), { ...fields, ahead: 30 });
  await data.sample(0, 9);
  busy(1000);
  const from = performance.now();
  const samples = await Promise.all(Array.from({ length: 30 }, (_, i) => data.sample(1 + i, 9)));
  const alone = 30; // ms that the generator takes at the least
  expect(performance.now() - from).toBeLessThan(alone);
  expect(samples.slice(0, 4).map(({ input, target }) => [...input, ...target])).toEqual([
    [1, 0, 9],
    [2, 0, 9],
    [0, 1, 9],
    [1, 1, 9],
  ]);
});

test("an error there is told where its sample is asked for; a module without a generator too", async () => {
  const data = stream(job("broken"), fields);
  expect([...(await data.sample(0, 0)).input]).toEqual([0, 0]);
  await expect(data.sample(1, 0)).rejects.toThrow(/broken\.ts"\): the disk is gone/);
  await expect(stream(job("nothing"), fields).sample(0, 0)).rejects.toThrow(/Cannot find module/);
  await expect(stream(new URL("../src/index.ts", import.meta.url), fields).sample(0, 0)).rejects.toThrow(
    "its default export is no function that opens a generator",
  );
});

test("functions of a module are called there, and the module is drawn anew for a second run", async () => {
  const data = stream(job("made"), { ...fields, ahead: 4 });
  for (let run = 0; run < 2; run++)
    for (const [i, oldest] of [
      [1, 0],
      [5, 0],
      [9, 4],
      [13, 8],
    ] as const)
      expect([...(await data.sample(i, 0, oldest)).input]).toEqual([i, 0]);
});

test("what a stream leaves to functions is shared by the ranks that divide the batch", () => {
  const folder = mkdtempSync(join(tmpdir(), "orthant-shared-"));
  const calls = join(folder, "calls");
  const env = { ...process.env, CALLS: calls };
  const { status, stderr } = spawnSync(process.execPath, [job("shared").pathname], { env, encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const lines = readFileSync(calls, "utf8")
    .trim()
    .split("\n")
    .filter((line) => Number(line.split(" ")[1]) >= 4); // the first microbatch is compared in all
  rmSync(folder, { recursive: true });
  const byThread = Map.groupBy(lines, (line) => line.split(" ")[0]!);
  const halves = [...byThread.values()].map((own) => new Set(own.map((line) => Number(line.split(" ")[1]) % 8)));
  expect(halves.map((half) => [...half].toSorted()).toSorted()).toEqual([
    [0, 1, 2, 3],
    [4, 5, 6, 7],
  ]);
  expect(lines.length).toBeGreaterThan(40);
  expect(new Set(lines).size).toBe(lines.length); // each once
});

test("a process ends by itself", () => {
  const { status, stdout } = spawnSync(process.execPath, [job("ends").pathname], { encoding: "utf8", timeout: 20_000 });
  expect({ status, stdout: stdout.trim() }).toEqual({ status: 0, stdout: "1,1" });
});
