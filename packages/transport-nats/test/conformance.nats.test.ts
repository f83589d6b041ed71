// The conformance suite, over a real nats-server: every rank has a client of its own.
import { testTransport } from "@orthant/testing";
import { TestServer } from "@orthant/testing/nats-server";
import { afterAll, it } from "vitest";
import { openAll } from "./open.ts";

const server = await TestServer.start();
afterAll(() => server.stop());

const open = async (size: number) => ({
  endpoints: await openAll(size, { servers: server.url }),
  close: async () => {},
});

it.each(testTransport(open))("$name", ({ run }) => run());
