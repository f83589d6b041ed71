// The threads transport between real worker threads, as plain cases. A worker must end by itself: nothing that the
// transport holds may keep it alive.
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Case } from "@orthant/testing";
import { wireThreads } from "../src/transports/threads/wiring.ts";
import type { Program, Task } from "./transports-worker.ts";

/** What the ranks of `thread` found wrong, once they are done. */
function reportOf(worker: Worker, thread: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    worker.on("message", resolve);
    worker.on("error", reject);
    worker.on("exit", () => resolve([`thread ${thread} ended without a report`]));
  });
}

const onWorkers = (name: string, program: Program, home: readonly number[]): Case => ({
  name: `${name}, ranks at home on threads ${home.join(" ")}`,
  async run() {
    const wiring = wireThreads(home, { ring: 2 ** 16, credit: 2 ** 20 });
    const workers = [...new Set(home)].map((thread) => {
      const workerData: Task = { wiring, thread, program };
      return new Worker(new URL("./transports-worker.ts", import.meta.url), { workerData });
    });
    const ends = workers.map((worker) => once(worker, "exit"));
    const errors = (await Promise.all(workers.map(reportOf))).flat();
    for (const worker of workers) worker.postMessage("close");
    await Promise.all(ends);
    if (errors.length > 0) throw new Error(errors.join("\n"));
  },
});

export const workerCases: Case[] = [
  onWorkers("all ranks exchange with all", "exchange", [0, 1]),
  onWorkers("all ranks exchange with all", "exchange", [0, 0, 1, 1, 2, 2]),
  onWorkers("a frame larger than ring and credit comes back", "echo", [0, 0, 1, 1]),
  onWorkers("who waits for a rank that closes is told", "leave", [0, 1, 0, 1]),
  onWorkers("a stall is named", "stall", [0, 1]),
];
