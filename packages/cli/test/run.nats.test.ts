// `orthant run` as a user meets it: real processes that train over a real nats-server, and end as they should.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { memory } from "@orthant/core";
import { TestServer } from "@orthant/testing/nats-server";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type Job, losses } from "./job.ts";
import { Launcher, script, untilGone } from "./launcher.ts";

const folder = mkdtempSync(join(tmpdir(), "orthant-run-"));
afterAll(() => rmSync(folder, { recursive: true }));

const job: Job = { steps: 3, mesh: { pp: 1, dp: 2 } };
/** Longer than any test. */
const long: Job = { steps: 2000, slow: 10, mesh: { pp: 1, dp: 2 } };
let expected: readonly number[];
beforeAll(async () => {
  expected = await losses({ ...job, transport: memory() });
});

type Trained = Job & { code?: number; absent?: number };

function orthant(options: string, trained: Trained, env: NodeJS.ProcessEnv = {}): Launcher {
  const launcher = new Launcher(folder, ["run", ...options.split(" "), script, JSON.stringify(trained)], env);
  onTestFinished(() => void launcher.process.kill("SIGKILL"));
  return launcher;
}

test.each(["--ranks 2", "--ranks 2 --nats embedded --runtime deno", "--ranks 2 --runtime bun", "--ranks 2 --threads"])(
  "%s: the losses of one process, the script's code, nothing left",
  async (options) => {
    const launcher = orthant(options, { ...job, code: 3 });
    await launcher.until(/pid/);
    const children = launcher.children();
    expect(await launcher.code()).toBe(3);
    expect(launcher.losses()).toEqual(expected);
    expect(launcher.out).toMatch(/^\[0(-1)?\] step 3\/3 {2}loss /m);
    await untilGone(children);
  },
);

test("two launchers join into one run; the password is nowhere", async () => {
  const server = await TestServer.start('authorization { user: ann, password: "right-word" }');
  onTestFinished(() => server.stop());
  const nodes = `--ranks 2 --run joined --nodes 2 --nats nats://ann:right-word@127.0.0.1:${server.port}`;
  const [first, second] = [orthant(`${nodes} --node-rank 0`, job), orthant(`${nodes} --node-rank 1`, job)];
  expect(await Promise.all([first.code(), second.code()])).toEqual([0, 0]);
  expect(first.losses()).toEqual(expected);
  expect(second.out).toMatch(/^\[1\] pid \d+\n$/);
  const wrong = orthant(`--ranks 2 --nats nats://ann:wrong-word@127.0.0.1:${server.port}`, job);
  expect(await wrong.code()).toBe(1);
  expect(wrong.error).toMatch(/^orthant: nats:\/\/127.0.0.1:\d+ refused user and password: .*\n$/);
  for (const { out, error } of [first, second, wrong]) expect(out + error).not.toMatch(/(right|wrong)-word/);
});

test("a run that lost a rank starts again once, on subjects that its user may use", async () => {
  const grant = 'permissions: { publish: "orthant.mine.>", subscribe: "orthant.mine.>" }';
  const server = await TestServer.start(`authorization { users: [ { user: ann, password: word, ${grant} } ] }`);
  onTestFinished(() => server.stop());
  const options = `--ranks 2 --restarts 2 --run mine --nats nats://ann:word@127.0.0.1:${server.port}`;
  const launcher = orthant(options, { ...job, steps: 40, slow: 10, saved: "saved" });
  const [, pid] = await launcher.until(/^\[1\] pid (\d+)/m);
  await launcher.until(/step +\d+\//);
  process.kill(Number(pid), "SIGKILL");
  expect(await launcher.code(), launcher.error).toBe(0);
  expect(launcher.error.match(/starts mine again from its latest checkpoint, \d of 2 times/g)).toHaveLength(1);
  expect(launcher.losses().length).toBeLessThan(40);
});

test("machines without a number start as they come; who was told something else ends in one line", async () => {
  const server = await TestServer.start();
  onTestFinished(() => server.stop());
  const line = `--ranks 2 --run numbered --nodes 2 --nats ${server.url}`;
  const env = { ORTHANT_SECRET: "a".repeat(16) };
  const first = orthant(line, job, env);
  await expect.poll(() => first.error, { timeout: 20_000 }).toMatch(/waits for "numbered": 1 of 2 machines are here/);
  const others = orthant(`${line} --restarts 1`, job, env);
  expect(await others.code()).toBe(1);
  expect(others.error).toBe(
    'orthant: run "numbered": others have --ranks 2 --nodes 2 --restarts 0, this launcher --ranks 2 --nodes 2 --restarts 1\n',
  );
  const second = orthant(line, job, env);
  expect(await Promise.all([first.code(), second.code()])).toEqual([0, 0]);
  const [root] = [first, second].filter(({ out }) => out.startsWith("[0]"));
  expect(root?.losses()).toEqual(expected);
});

test("launchers of different secrets, or a secret and none: one line each, before a rank starts", async () => {
  const server = await TestServer.start();
  onTestFinished(() => server.stop());
  const start = (run: string, node: number, secret?: string) =>
    orthant(
      `--ranks 2 --run ${run} --nodes 2 --node-rank ${node} --nats ${server.url}`,
      job,
      secret ? { ORTHANT_SECRET: secret } : {},
    );
  for (const secret of ["b".repeat(16), undefined]) {
    const both = [start(`with-${secret}`, 0, "a".repeat(16)), start(`with-${secret}`, 1, secret)];
    expect(await Promise.all(both.map((one) => one.code()))).toEqual([1, 1]);
    for (const { out, error } of both) {
      expect(out).toBe("");
      expect(error).toMatch(/^orthant: run "with-\w+": somebody in its lobby has .*: give all launchers the same\n$/);
    }
  }
});

test("a second run of the same name is refused, with or without ranks that train, and the first goes on", async () => {
  const server = await TestServer.start();
  onTestFinished(() => server.stop());
  const options = `--ranks 2 --run taken --nats ${server.url}`;
  const first = orthant(options, long);
  await first.until(/step +1\//);
  const second = orthant(options, long);
  const broken = orthant(options, { ...job, mesh: { pp: 1, dp: 4 } });
  expect(await Promise.all([second.code(), broken.code()])).toEqual([1, 1]);
  expect(second.error).toMatch(
    /run "taken": the clients in its lobby have another secret: if they are another job, give this one a name of its own;/,
  );
  expect(broken.error).toMatch(/the mesh { pp: 1, dp: 4 } has 4 ranks, orthant run started 2: --ranks 4$/m);
  await setTimeout(5000); // a launcher gives ranks 4 s to end
  expect(first.process.exitCode).toBe(null);
  first.process.kill("SIGINT");
  expect(await first.code()).toBe(130);
  expect(first.error).toMatch(/messages refused so far.*of another secret/); // of those who came under its name
  expect(first.error.match(/messages refused so far/g)?.length, first.error).toBeLessThan(5); // two ranks, two strangers
  expect(first.error).toMatch(
    /orthant run: SIGINT: ranks that train stop after their step; once more ends all\n\[0\] stopped by SIGINT( to rank \d)? after step \d+ of 2000\n$/,
  );
});

test("Ctrl-C stops after the step: files are whole, the script goes on", async () => {
  const launcher = orthant("--ranks 2", { ...long, run: "stopped", code: 5 });
  await launcher.until(/step +1\//);
  launcher.process.kill("SIGINT");
  expect(await launcher.code()).toBe(5);
  const [head, ...steps] = readFileSync(join(folder, "runs/stopped/metrics.jsonl"), "utf8").trimEnd().split("\n");
  expect(JSON.parse(head ?? "")).toMatchObject({ model: "mlp" });
  expect(launcher.losses()).toEqual(steps.map((line) => JSON.parse(line).loss));
  expect(JSON.parse(readFileSync(join(folder, "runs/stopped/trace.json"), "utf8"))).toBeTruthy();
});

test("a rank that is killed ends all others, by name", async () => {
  const launcher = orthant("--ranks 4", { ...long, mesh: { pp: 2, dp: 2 } });
  const [, pid] = await launcher.until(/^\[2\] pid (\d+)$/m);
  await launcher.until(/step +1\//);
  const children = launcher.children();
  expect(children.length).toBeGreaterThan(4);
  process.kill(Number(pid), "SIGKILL");
  const from = performance.now();
  expect(await launcher.code()).toBe(137);
  expect(performance.now() - from).toBeLessThan(5000);
  for (const rank of [0, 1, 3])
    expect(launcher.error).toMatch(new RegExp(`^\\[${rank}\\] rank ${rank} .* rank 2 was killed by SIGKILL`, "m"));
  const last = launcher.error.trimEnd().split("\n").at(-1);
  expect(last).toMatch(/^orthant run: rank 2 was killed by SIGKILL; rank \d \(.*\) failed at .*\(last seen: .*\)/);
  await untilGone(children);
});

test("a rank that throws ends all others, and says where", async () => {
  const launcher = orthant("--ranks 2", { ...job, broken: 13 });
  expect(await launcher.code()).toBe(1);
  expect(launcher.error).toMatch(/^\[\d\] rank \d .* sample 13 is broken\n\[\d\] +at .*job\.ts:/m);
  expect(launcher.error).toMatch(/^orthant run: rank \d .*failed at step 1.*: sample 13 is broken/m);
});

test("a launcher that is killed leaves nothing", async () => {
  const launcher = orthant("--ranks 2", long);
  await launcher.until(/step +1\//);
  const children = launcher.children();
  expect(children.length).toBeGreaterThan(2);
  launcher.process.kill("SIGKILL");
  await untilGone(children);
});

test("bad input: one line, and nothing starts", async () => {
  const cases: [options: string, code: number, message: RegExp][] = [
    ["--ranks two", 2, /^--ranks two is no whole number from 1\n$/],
    [
      "--ranks 999999",
      2,
      /^999999 ranks here x 100 MiB, before they train, are 97656.2 GiB, this machine has .*: start fewer/,
    ],
    ["--ranks 2 --nats nats://127.0.0.1:1", 1, /^orthant: no nats-server at nats:\/\/127.0.0.1:1: start one .*\n$/],
    ["--ranks 1 --runtime bun", 1, /^orthant run: no bun on the PATH: install it, or leave out --runtime\n$/],
  ];
  for (const [options, code, message] of cases) {
    const launcher = orthant(options, job, { PATH: "/nowhere" });
    expect(await launcher.code()).toBe(code);
    expect(launcher.error).toMatch(message);
    expect(launcher.out).toBe("");
  }
});

test.each(["", " --runtime deno", " --runtime bun", " --threads"])(
  "a sweep, a second phase and sessions, --ranks 4%s: all processes come to each call, and what happens once is printed once",
  async (options) => {
    const calls = fileURLToPath(new URL("../../core/test/jobs/calls.ts", import.meta.url));
    const launcher = new Launcher(folder, ["run", "--ranks", "4", ...options.split(" ").filter(Boolean), calls]);
    expect(await launcher.code()).toBe(0);
    const lines = launcher.out.trimEnd().split("\n");
    expect(lines.map((line) => Object.keys(JSON.parse(line.replace(/^\[.*?\] /, ""))))).toEqual([
      ["lr", "losses"],
      ["lr", "losses"],
      ["second"],
      ["third", "seen"],
      ["last", "evaluations"],
    ]);
  },
);

test("a rank that never trains ends all others, by name", async () => {
  const launcher = orthant("--ranks 2", { ...long, absent: 1 });
  expect(await launcher.code()).toBe(1);
  expect(launcher.error).toContain("[1] the script ended without a call of train()\n");
  expect(launcher.error).toMatch(
    /^orthant run: rank 1 ended with code 1; the script ended without a call of train\(\)$/m,
  );
});

test("a secret that others can read: one line, and nothing starts", async () => {
  const path = join(folder, "open.key");
  writeFileSync(path, "0123456789abcdef", { mode: 0o644 });
  const launcher = orthant(`--ranks 2 --secret ${path}`, job);
  expect(await launcher.code()).toBe(2);
  expect([launcher.out, launcher.error]).toEqual([
    "",
    `--secret ${path}: others can read it (mode 644): chmod 600 ${path}\n`,
  ]);
});

test("without a nats-server that runs: threads, and how to get more", async () => {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  writeFileSync(join(bin, "nats-server"), "#!/bin/sh\nexit 127\n", { mode: 0o755 });
  const env = { PATH: `${bin}:${process.env.PATH}` };
  const launcher = orthant("--ranks 2", job, env);
  expect(await launcher.code()).toBe(0);
  expect(launcher.losses()).toEqual(expected);
  expect(launcher.error).toMatch(
    /^orthant run: no nats-server on the PATH: 2 ranks run in threads of one process; .*\n$/,
  );
  const asked = orthant("--ranks 2 --nats embedded", job, env);
  expect(await asked.code()).toBe(1);
  expect(asked.error).toMatch(/^orthant: no nats-server on the PATH: apt-get install .*\n$/);
});

test("a mesh of another size than the launcher's", async () => {
  const launcher = orthant("--ranks 3", job);
  expect(await launcher.code()).toBe(1);
  const line = "the mesh { pp: 1, dp: 2 } has 2 ranks, orthant run started 3: --ranks 2";
  for (const told of launcher.error.trimEnd().split("\n")) expect(told).toContain(line);
});
