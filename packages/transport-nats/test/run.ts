// The conformance suite over NATS without a test framework, for any runtime.
import { runCases, testTransport } from "@orthant/testing";
import { openAll } from "./open.ts";
import { TestServer } from "./server.ts";

const server = await TestServer.start();
const open = async (size: number) => ({
  transports: await openAll(size, { servers: server.url }),
  close: async () => {},
});
const failures = await runCases(testTransport(open), console.log);
await server.stop();
process.exit(failures);
