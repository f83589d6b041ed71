// The thread that writes checkpoints in the background: one job after the other, in the order in which they come. Started by
// `disk-work.ts`.
import { parentPort } from "node:worker_threads";
import { reasonOf } from "./disk.ts";
import { type DiskAnswer, type DiskJob, doJob } from "./disk-work.ts";

async function answer(job: DiskJob): Promise<void> {
  const done: DiskAnswer = await doJob(job).catch((cause) => ({ error: reasonOf(cause) }));
  parentPort!.postMessage(done, done.memory ? [done.memory] : []);
}

/** Does jobs one after the other. */
function serve(): void {
  let before: Promise<unknown> = Promise.resolve();
  parentPort!.on("message", (job: DiskJob) => {
    before = before.then(() => answer(job));
  });
}

serve();
