// Two launchers whose folders are not one disk: all shards are written where rank 0 is, and everyone goes on from there with equal bits.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestServer } from "@orthant/testing/nats-server";
import { Program } from "../faults/processes.ts";
import type { Job } from "./job.ts";
import { ended } from "./killed.ts";
import { command, type Result, script } from "./transports.ts";

/** Steps before the stop, and in all. */
const [before, steps] = [4, 10];

/** Runs a job by two launchers, each in a folder of its own; the result is rank 0's. */
async function together(url: string, job: Job, folders: readonly string[]): Promise<Result> {
  const run = `apart-${crypto.randomUUID().slice(0, 8)}`;
  const programs = folders.map((cwd, node) => {
    const place = ["--ranks", "4", "--nats", url, "--run", run, "--nodes", "2", "--node-rank", String(node)];
    return new Program([command, "run", ...place, script, JSON.stringify({ ...job, cwd })]);
  });
  try {
    return await ended(programs[0]!);
  } finally {
    for (const program of programs) program.endAll();
  }
}

/** Prints a line. Returns how many cases failed. */
export async function apart(): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), "orthant-apart-"));
  const server = await TestServer.start();
  try {
    const folders = ["here", "there"].map((name) => join(dir, name));
    for (const folder of folders) mkdirSync(folder);
    const job: Job = { optimizer: "adamw", steps, every: 2, dir: "saved", async: true, int8: true };
    const alone = new Program([script, JSON.stringify({ ...job, dir: join(dir, "alone"), transport: "memory" })]);
    const expected = await ended(alone);
    await together(server.url, { ...job, steps: before }, folders);
    const found = await together(server.url, { ...job, resume: true }, folders);
    const same = JSON.stringify(found.losses) === JSON.stringify(expected.losses.slice(before));
    const files = 12; // of four ranks: model, optimizer, extra
    const ok = same && found.firstStep === before && found.weights === expected.weights;
    const shards = readdirSync(join(folders[0]!, "saved", "step-000010")).length - 1;
    const alien = existsSync(join(folders[1]!, "saved"));
    console.log(
      `${ok && !alien && shards === files ? "ok  " : "FAIL"} two folders: ${shards} files where rank 0 is, ${alien ? "some" : "none"} elsewhere; ${ok ? "equal" : "other"} bits after step ${found.firstStep}`,
    );
    return ok && !alien && shards === files ? 0 : 1;
  } finally {
    await server.stop();
    rmSync(dir, { recursive: true });
  }
}
