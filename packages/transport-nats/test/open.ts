// Opens all ranks of a run in this thread, each with a client of its own, as separate processes would.
import type { NatsEndpoint } from "../src/index.ts";
import { type NatsEndpointOptions, openNats } from "../src/index.ts";

/** A name that no other run has. */
export const runName = (): string => `test-${crypto.randomUUID().slice(0, 8)}`;

export function openAll(
  size: number,
  options: Omit<NatsEndpointOptions, "rank" | "run" | "size">,
): Promise<NatsEndpoint[]> {
  const run = runName();
  return Promise.all(Array.from({ length: size }, (_, rank) => openNats({ ...options, run, rank, size })));
}
