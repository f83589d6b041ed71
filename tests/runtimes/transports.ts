// The transports that come with core, against the conformance suite and with real worker threads, on any runtime.
import type { Case } from "@orthant/testing";
import { memoryEndpoints as memory } from "../../packages/core/src/transports/memory.ts";
import { joinThreads } from "../../packages/core/src/transports/threads/threads.ts";
import { type WiringOptions, wireThreads } from "../../packages/core/src/transports/threads/wiring.ts";
import { sliceCases } from "../../packages/core/test/slices-cases.ts";
import { workerCases } from "../../packages/core/test/transports-cases.ts";
import { type OpenTransport, testTransport } from "../../packages/testing/src/transport.ts";

const named = (name: string, cases: readonly Case[]): Case[] =>
  cases.map((each) => ({ ...each, name: `${name}: ${each.name}` }));

const onMemory: OpenTransport = async (size) => ({ endpoints: memory(size), close: async () => {} });

/** Every rank has rings of its own, though one real thread holds them all. */
const onThreads =
  (options: WiringOptions = {}): OpenTransport =>
  async (size) => {
    const wiring = wireThreads([...Array(size).keys()], options);
    const endpoints = wiring.home.flatMap((thread) => [...joinThreads(wiring, thread).values()]);
    return { endpoints, close: async () => {} };
  };

export const transportSuite: Case[] = [
  ...named("memory", [...testTransport(onMemory), ...sliceCases(onMemory)]),
  ...named("threads", [...testTransport(onThreads()), ...sliceCases(onThreads({ credit: 2 ** 21 }))]),
  ...named("worker threads", workerCases),
];
