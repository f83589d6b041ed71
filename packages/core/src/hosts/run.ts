// Runs the ranks of this process over whatever transport connects them: in this thread, or spread over worker threads
// where the transport reaches several.
import { localRank } from "../devices/choose.ts";
import { onOneThread, told, useDevice } from "../devices/index.ts";
import { oneThread } from "../devices/one-thread.ts";
import type { Outcome } from "../rank/events.ts";
import { signalOf } from "../rank/stop.ts";
import { patienceOf, ranksHere, type Transport } from "../transports/transport.ts";
import { dealThreads } from "./deal.ts";
import { fingerprint } from "./fingerprint.ts";
import { scriptOf } from "./script.ts";
import { type RanksJob, runShare } from "./share.ts";
import { runWorkers } from "./workers.ts";

/**
 * Runs every rank of this process to its end. Resolves to their outcomes, by rank; in the process of rank 0 to those of
 * all ranks. Rejects with the error of the first rank that failed, all others here ended.
 */
export async function runRanks(transport: Transport, job: RanksJob): Promise<Outcome[]> {
  const { name, workers = 1 } = transport;
  const { options, plan, call } = job;
  if (!Number.isInteger(workers) || workers < 1)
    throw new Error(`${name}({ workers: ${workers} }): give a whole number from 1`);
  const here = ranksHere(transport, plan.mesh);
  const script = workers > 1 && here.length > 1 ? scriptOf(transport) : undefined;
  const threads = dealThreads(plan, here, script ? workers : 1);
  const alone = threads.length > 1 ? onOneThread(options.device) : undefined;
  if (alone) throw new Error(oneThread(alone, here.length));
  const agreed = await fingerprint(options, plan);
  const ticket = await transport.open({ mesh: plan.mesh, threads, agreed, ...(call && { call: call.number }) });
  const outcomes = await (script
    ? runWorkers(job, { transport: name, ticket, threads, script, agreed, stall: transport.stall })
    : runHere(job, transport, ticket));
  return outcomes.sort((a, b) => a.rank - b.rank);
}

async function runHere({ stop, onBegin, ...job }: RanksJob, transport: Transport, ticket: unknown): Promise<Outcome[]> {
  const here = ranksHere(transport, job.plan.mesh);
  const { device, precision } = job.options;
  const where = { localRank: localRank(), precision };
  await useDevice(device, where, here.includes(0) ? told(job.options) : undefined);
  const endpoints = [...transport.join(ticket, 0).values()];
  onBegin?.();
  const stopped = () => signalOf(stop);
  return runShare({ ...job, endpoints, here, stopped, patience: patienceOf(transport) });
}
