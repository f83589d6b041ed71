// The default transport inside a test runner, in its threads and in its processes: there is no script that workers could run, so all
// ranks share the thread.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("./runner", import.meta.url));
const vitest = fileURLToPath(new URL("../../../node_modules/vitest/vitest.mjs", import.meta.url));

test.each(["threads", "forks"])("vitest's %s", (pool) => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [vitest, "run", "mine", "--root", root, "--pool", pool],
    {
      encoding: "utf8",
      env: { ...process.env, NO_COLOR: "1" },
    },
  );
  expect(`${stdout}${stderr}`).toMatch(/Tests\s+1 passed/);
  expect(status).toBe(0);
});

test.each([
  ["node", process.execPath, ["--test"]],
  ["deno", "deno", ["test", "-A", "--no-check"]],
  ["bun", "bun", ["test"]],
])("the runner of %s", (_, command, args) => {
  const { status, stderr } = spawnSync(command, [...args, `${root}/theirs.test.ts`], { encoding: "utf8" });
  expect({ status, stderr }).toMatchObject({ status: 0 });
});
