// The client's thread, as its process sees it: started, heard, and told when the process ends before the run does.
import { Worker } from "node:worker_threads";
import { Counters, fromPlain, LostRankError } from "@orthant/core/transport-kit";
import { showServers } from "../connection/dial.ts";
import { type ClientJob, type ClientReport, clientThread } from "../job.ts";
import { Shared } from "../shared.ts";

/** ms that a process's end waits for the client to tell the others. */
const farewell = 500;

const countersOf = ({ wiring }: ClientJob): Counters => new Counters(wiring.counters, wiring.home, wiring.credit);

/** Resolves when all ranks of the run have met. Rejects, in one line, where they cannot. */
export function startClient(job: ClientJob): Promise<void> {
  if (!job.secret)
    process.emitWarning(
      `run "${job.run}" has no secret: it trusts whoever may publish on orthant.${job.run}.> (nats({ secret }), ORTHANT_SECRET)`,
    );
  // Flags of this program, such as --eval, are not the client's.
  const worker = new Worker(new URL("../client/client.ts", import.meta.url), { workerData: job, execArgv: [] });
  const atExit = (code: number): void => leave(job, code);
  return new Promise((resolve, reject) => {
    worker.on("message", (report: ClientReport) => {
      if (report.kind === "failed") reject(fromPlain(report.error));
      const warning = warningOf(job, report);
      if (warning) process.emitWarning(`run "${job.run}": ${warning}`);
      if (report.kind !== "ready") return;
      worker.unref();
      process.on("exit", atExit);
      resolve();
    });
    const lose = (error: Error): void => {
      process.off("exit", atExit);
      abandon(job, `the client's thread failed: ${error.message}`);
      reject(error);
    };
    worker.on("error", lose);
    worker.on("exit", (code) => lose(new Error(`ended with code ${code}`)));
  });
}

/** What the process should hear of, in one line. */
function warningOf({ run, servers, silence }: ClientJob, report: ClientReport): string | undefined {
  const where = showServers(servers);
  if (report.kind === "waits") return `waits for rank ${report.ranks.join(", ")}: start them, on the same server`;
  if (report.kind === "down") return `lost the connection to ${where}, trying again for ${silence} ms`;
  if (report.kind === "up") return `connected to ${where} again after ${report.ms.toFixed(0)} ms`;
  if (report.kind === "stranger") return `refused a client: ${report.reason}`;
  if (report.kind === "cut")
    return `${where} cut the connection: a slow consumer? Senders may have ${report.window} bytes on the way to here`;
  if (report.kind !== "refused") return undefined;
  return `${report.what}. They changed nothing. A job that was started twice needs a name of its own; permissions keep others off orthant.${run}.>`;
}

/** Nobody serves the rings any more: who waits for ranks elsewhere must hear of it. */
function abandon(job: ClientJob, reason: string): void {
  const counters = countersOf(job);
  const known = new Shared(job.shared, job.size);
  for (const rank of job.wiring.home.keys()) {
    if (job.ranks.includes(rank) || counters.closed(rank)) continue;
    known.setFailure(rank, new LostRankError({ rank, reason }));
    counters.close(rank);
  }
  for (const rank of job.ranks) known.leave(rank);
}

/** This process ends, and its ranks with it: the client, which runs until the end is handled, tells the others. */
function leave(job: ClientJob, code: number): void {
  const counters = countersOf(job);
  const known = new Shared(job.shared, job.size);
  for (const rank of job.ranks) {
    if (counters.closed(rank)) continue;
    const reason = `rank ${rank} ended with its process (code ${code}) before the run did`;
    known.setFailure(rank, new LostRankError({ rank, reason }));
    counters.close(rank);
  }
  counters.wake(clientThread(job));
  for (const rank of job.ranks) known.waitLeft(rank, farewell);
}
