// A stream drawn in a thread of its own: while this one computes, epoch after epoch; what breaks is told; nothing keeps the process.
import { spawnSync } from "node:child_process";
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

test("a process ends by itself", () => {
  const { status, stdout } = spawnSync(process.execPath, [job("ends").pathname], { encoding: "utf8", timeout: 20_000 });
  expect({ status, stdout: stdout.trim() }).toEqual({ status: 0, stdout: "1,1" });
});
