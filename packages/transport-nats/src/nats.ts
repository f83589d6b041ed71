// `train({ transport: nats(...) })`: this process's ranks of a run whose others live in other processes, on other machines.
// Every process runs the same script; the one of rank 0 shows progress, writes files and goes on after `train`.

import { availableParallelism } from "node:os";
import { meshSize, type Transport } from "@orthant/core";
import { joinNats, type NatsTicket, type RunOptions, startNats } from "./process/open.ts";
import { epochOf } from "./protocol/epoch.ts";

/** Options of `nats()`. */
export interface NatsOptions extends Omit<RunOptions, "size" | "fingerprint"> {
  /** The ranks that live in this process: every rank of the mesh in exactly one. */
  readonly ranks: readonly number[];
  /** Worker threads that they are spread over; one a core by default, never more than ranks. One needs no worker. */
  readonly workers?: number;
  /** The module each worker runs; the program's main module by default. */
  readonly script?: string | URL;
  /** ms that a rank waits for a message before the run ends, naming who waits for whom. Default 60 000. */
  readonly stall?: number;
}

/** Carries frames over NATS; between ranks of this process, through its memory. */
export const nats = ({ workers = availableParallelism(), script, stall, ...run }: NatsOptions): Transport => ({
  name: "nats",
  ranks: run.ranks,
  workers,
  stall,
  script,
  open: ({ mesh, threads, agreed, call = 0 }) =>
    startNats({ ...run, epoch: epochOf(run.epoch ?? 0, call), size: meshSize(mesh), fingerprint: agreed }, threads),
  join: (ticket: NatsTicket, thread) => joinNats(ticket, thread, { stall }),
});
