// What is asked for, held against what this machine has: memory for the ranks, a nats-server.
import { totalmem } from "node:os";
import { UsageError } from "../result.ts";
import type { RunArguments } from "./arguments.ts";

/** MiB of its own that a rank has before it trains: measured 104 for a process of Node 24, 50 for a thread. */
const leastRank = { process: 100, thread: 50 };

/** Throws a UsageError where the ranks do not fit. */
export function checkMemory({ ranks: { length }, transport }: RunArguments): void {
  const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  const each = leastRank[transport === "threads" ? "thread" : "process"];
  const bytes = length * each * 2 ** 20;
  if (bytes <= totalmem()) return;
  const arithmetic = `${length} ranks here x ${each} MiB, before they train, are ${gib(bytes)}`;
  throw new UsageError(`${arithmetic}, this machine has ${gib(totalmem())}: start fewer, or on more --nodes`);
}

/** One machine without a nats-server has threads, where nobody asked for more; the note says how to get more. */
export function fitted(args: RunArguments, found: () => boolean): { args: RunArguments; note?: string } {
  if (!args.byDefault || found()) return { args };
  const { length } = args.ranks;
  const note = `no nats-server on the PATH: ${length} ranks run in threads of one process`;
  const more = "for a process a rank: apt-get install nats-server, a binary from nats.io/download, or --nats URL";
  return { args: { ...args, transport: "threads" }, note: `${note}; ${more}` };
}
