// The transports that come with core, against the conformance suite and with real worker threads, on any runtime.
import type { Case } from "@orthant/testing";
import { memory } from "../packages/core/src/transports/memory.ts";
import { joinThreads, wireThreads } from "../packages/core/src/transports/threads.ts";
import { workerCases } from "../packages/core/test/transports-cases.ts";
import { testTransport } from "../packages/testing/src/transport.ts";

const named = (name: string, cases: readonly Case[]): Case[] =>
  cases.map((each) => ({ ...each, name: `${name}: ${each.name}` }));

const onMemory = testTransport(async (size) => ({ transports: memory(size), close: async () => {} }));

/** Every rank has rings of its own, though one real thread holds them all. */
const onThreads = testTransport(async (size) => {
  const wiring = wireThreads(Array.from({ length: size }, (_, rank) => rank));
  const transports = wiring.home.flatMap((thread) => [...joinThreads(wiring, thread).values()]);
  return { transports, close: async () => {} };
});

export const transportSuite: Case[] = [
  ...named("memory", onMemory),
  ...named("threads", onThreads),
  ...named("worker threads", workerCases),
];
