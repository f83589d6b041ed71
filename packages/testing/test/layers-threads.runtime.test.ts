// A model of tf.layers that every worker makes for itself, and a stream that each draws for itself: the same losses on one thread and
// on four. Data and models that differ between threads end the run by their names.
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

const job = new URL("./jobs/layers-model.ts", import.meta.url).pathname;

function run(env: Record<string, string>) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [job], {
    env: { ...process.env, ...env },
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

test("the same losses on one thread and on four", () => {
  const [one, four] = ["1", "4"].map((WORKERS) => run({ WORKERS }));
  for (const { status, stderr } of [one!, four!]) expect(status, stderr).toBe(0);
  const losses = JSON.parse(one!.stdout) as number[];
  expect(JSON.parse(four!.stdout)).toEqual(losses);
  expect(losses.at(-1)).toBeLessThan(losses[0]!);
});

test.each([
  ["data", "another data than the first"],
  ["late", "another data than the first"],
  ["options", "another seed, clip than the first"],
  ["model", "another model than the first"],
])("%s that differs between threads is named", (DIFFERS, message) => {
  const { status, stderr } = run({ DIFFERS });
  expect(status).toBe(1);
  expect(stderr).toContain(message);
});
