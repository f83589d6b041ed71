// `orthant plan` as a user meets it: real processes on real scripts, their output, their exit codes.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const pathOf = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const bin = pathOf("../bin/orthant.js");
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "orthant-cli-"));
  symlinkSync(pathOf("../../../node_modules"), join(folder, "node_modules"), "junction");
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
});
afterAll(() => rmSync(folder, { recursive: true }));

const orthant = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args], { cwd: folder, encoding: "utf8" });
  return { status, stdout, stderr };
};

function script(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return name;
}

const training = (mesh: string, more = "") => `
import { sgd, train } from "@orthant/core";
import { gpt } from "@orthant/nn";
import { pipeline } from "@orthant/pipeline";
import * as tf from "@tensorflow/tfjs";
const field = { shape: [4], dtype: "int32" };
const values = () => Int32Array.of(0, 1, 2, 3);
const data = { input: field, target: field, tokens: 4, sample: () => ({ input: values(), target: values() }) };
process.on("exit", () => {
  console.log("tensors", tf.engine().state.numTensors, "backends", Object.keys(tf.engine().registry).length);
  console.log("active", process.getActiveResourcesInfo().filter((name) => name.includes("Worker")).length);
});
${more}
await train({
  model: gpt({ layers: 4, width: 8, heads: 2, context: 4, vocab: 8 }),
  data, batch: 8, steps: 2, mesh: ${mesh}, optimizer: sgd({ lr: 0.1 }),
  strategies: [pipeline({ schedule: "1f1b", micros: 4 })],
});
console.log("trained");
`;

test("prints the plan, makes no tensor, starts no backend and no worker", () => {
  const { status, stdout, stderr } = orthant("plan", script("train.ts", training("{ pp: 2 }")));
  expect(stderr).toBe("");
  expect(stdout).toMatch(/^mesh +pp 2 = 2 ranks$/m);
  expect(stdout).toMatch(/pp 1 \| \. {2}F0 B0---/);
  expect(stdout).toMatch(/tensors 0 backends 0\nactive 0\n$/);
  expect(stdout).not.toContain("trained");
  expect(status).toBe(0);
});

test("the script sees its own arguments", () => {
  const name = script("arguments.ts", training("{ pp: 2 }", "console.log(process.argv.slice(2));"));
  const { status, stdout } = orthant("plan", name, "--steps", "3");
  expect(stdout).toContain('[ "--steps", "3" ]'.replaceAll('"', "'"));
  expect(status).toBe(0);
});

test("a plan that cannot work: the message alone", () => {
  const { status, stdout, stderr } = orthant("plan", script("refused.ts", training("{ pp: 2, tp: 2 }")));
  expect(stderr).toMatch(/^the mesh has tp 2 and no strategy is about tp: .*\n$/);
  expect(stdout).not.toContain("mesh  ");
  expect(status).toBe(1);
});

test("a script that never trains says so, also where it waits for ever", () => {
  for (const text of ["export {};", "await new Promise(() => {});", "setTimeout(() => {}, 50);"]) {
    const { status, stderr } = orthant("plan", script("idle.ts", text));
    expect(stderr).toBe("idle.ts ended without a call of train()\n");
    expect(status).toBe(1);
  }
});

test("a script that fails shows where", () => {
  const { status, stderr } = orthant("plan", script("broken.ts", 'throw new Error("mine");'));
  expect(stderr).toMatch(/^Error: mine\n.*broken\.ts:1/);
  expect(status).toBe(1);
});

test("wrong usage: one line, exit code 2", () => {
  const cases: [string[], RegExp][] = [
    [["fly"], /no command "fly"/],
    [["plan"], /needs a script/],
    [["plan", "missing.ts"], /no file missing\.ts/],
    [["--fast"], /cannot read "--fast"/],
  ];
  for (const [args, message] of cases) {
    const { status, stderr } = orthant(...args);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split("\n").length).toBe(1);
    expect(status).toBe(2);
  }
});

test("--help and --version", () => {
  const { version } = JSON.parse(readFileSync(pathOf("../package.json"), "utf8")) as { version: string };
  expect(orthant("--version")).toEqual({ status: 0, stdout: `${version}\n`, stderr: "" });
  expect(orthant("--help").stdout).toContain("orthant plan <script>");
  expect(orthant().status).toBe(0);
});
