// The same script in one thread and in several processes: the same losses to the last bit, the same bytes on each axis.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { TestServer } from "@orthant/testing/nats-server";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Job } from "./jobs/train.ts";
import { runName } from "./open.ts";

const script = fileURLToPath(new URL("./jobs/train.ts", import.meta.url));

async function runJob(job: Partial<Job>): Promise<{ code: number; out: string; error: string }> {
  const child = spawn(process.execPath, [script], { env: { ...process.env, JOB: JSON.stringify(job) } });
  const [out, error, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  return { code, out, error };
}

const together = (jobs: readonly Partial<Job>[]) => Promise.all(jobs.map(runJob));

let server: TestServer;
let alone: string;
beforeAll(async () => {
  [server, { out: alone }] = await Promise.all([TestServer.start(), runJob({})]);
});
afterAll(() => server.stop());

const halves = (run: string, routed = false) =>
  [
    [0, 1, 4, 5],
    [2, 3, 6, 7],
  ].map((ranks) => ({ servers: server.url, run, ranks, routed }));

it("trains over two processes of two threads each", async () => {
  const [first, second] = await together(halves(runName()));
  expect(first).toMatchObject({ code: 0, out: alone });
  expect(second).toMatchObject({ code: 0, out: "" });
});

it("sends each axis its own way", async () => {
  const [first, second] = await together(halves(runName(), true));
  expect(first).toMatchObject({ code: 0, out: alone });
  expect(second).toMatchObject({ code: 0, out: "" });
});

it("refuses groups that a way inside the process cannot reach", async () => {
  const [wrong] = await together([{ servers: server.url, run: runName(), ranks: [0, 2], routed: true }]);
  expect(wrong?.code).toBe(1);
  expect(wrong?.error).toContain(
    "this one has ranks 0, 2 but not all of the tp group 0, 1: give each process whole groups",
  );
});
