// The conformance suite over NATS, for any runtime: one real nats-server for all cases, ended with this process.
import { type Case, testTransport } from "@orthant/testing";
import { openAll } from "../packages/transport-nats/test/open.ts";
import { TestServer } from "../packages/transport-nats/test/server.ts";

/** Starts the server; fails, saying how to get one, where there is none. */
export async function natsSuite(): Promise<Case[]> {
  const { url: servers } = await TestServer.start();
  return testTransport(async (size) => ({ transports: await openAll(size, { servers }), close: async () => {} }));
}
