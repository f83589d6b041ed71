// The threads transport between real worker threads, as plain cases. A worker must end by itself: nothing that the
// transport holds may keep it alive.
import { Worker } from "node:worker_threads";
import type { Case } from "@orthant/testing";
import { wireThreads } from "../src/transports/threads.ts";
import type { Program, Task } from "./transports-worker.ts";

const work = (task: Task): Promise<string[]> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./transports-worker.ts", import.meta.url), { workerData: task });
    let errors = [`thread ${task.thread} ended without a report`];
    worker.on("message", (report: string[]) => (errors = report));
    worker.on("error", reject);
    worker.on("exit", () => resolve(errors));
  });

const onWorkers = (name: string, program: Program, home: readonly number[]): Case => ({
  name: `${name}, ranks at home on threads ${home.join(" ")}`,
  async run() {
    const wiring = wireThreads(home, { ring: 2 ** 16, credit: 2 ** 20 });
    const errors = await Promise.all([...new Set(home)].map((thread) => work({ wiring, thread, program })));
    if (errors.flat().length > 0) throw new Error(errors.flat().join("\n"));
  },
});

export const workerCases: Case[] = [
  onWorkers("all ranks exchange with all", "exchange", [0, 1]),
  onWorkers("all ranks exchange with all", "exchange", [0, 0, 1, 1, 2, 2]),
  onWorkers("a frame larger than ring and credit comes back", "echo", [0, 0, 1, 1]),
  onWorkers("who waits for a rank that closes is told", "leave", [0, 1, 0, 1]),
  onWorkers("a stall is named", "stall", [0, 1]),
];
