// The conformance suite over NATS, for any runtime: one real nats-server for all cases, ended with this process. And the
// same over TLS, where every runtime has sockets of its own.
import { deepEqual } from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Case, testTransport } from "@orthant/testing";
import { TestServer } from "@orthant/testing/nats-server";
import { sliceCases } from "../../packages/core/test/slices-cases.ts";
import { certificate } from "../../packages/transport-nats/test/auth.ts";
import { openAll } from "../../packages/transport-nats/test/open.ts";

/** Larger than a message, so that it comes in parts, to and from one server that asks for TLS and a token. */
async function exchangeOverTls(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "orthant-tls-"));
  const { cert, key } = certificate(folder);
  const server = await TestServer.start(
    `authorization { token: word }\ntls { cert_file: "${cert}", key_file: "${key}" }`,
  );
  const ranks = await openAll(2, { servers: server.url, tls: { ca: cert }, credentials: { token: "word" } });
  try {
    const data = new Uint8Array(3_000_000).map((_, i) => i % 251);
    const frame = { dtype: "uint8", shape: [data.length], data } as const;
    const got = await Promise.all(
      ranks.map(async ({ rank, send, recv }) => {
        const sent = send([1 - rank], "k", frame);
        const { data } = await recv(1 - rank, "k");
        await sent;
        return data.slice();
      }),
    );
    deepEqual(got, [data, data]);
  } finally {
    await Promise.all(ranks.map((rank) => rank.close()));
    await server.stop();
    rmSync(folder, { recursive: true });
  }
}

/** Starts the server; fails, saying how to get one, where there is none. */
export async function natsSuite(): Promise<Case[]> {
  const { url: servers } = await TestServer.start();
  const open = (credit?: number) => async (size: number) => {
    const endpoints = await openAll(size, credit ? { servers, credit } : { servers });
    return { endpoints, close: async () => {} };
  };
  const overTls = { name: "over TLS, with a token", run: exchangeOverTls };
  const keyed = (encrypt: boolean) => async (size: number) => {
    const endpoints = await openAll(size, { servers, secret: "a secret of sixteen bytes", encrypt });
    return { endpoints, close: async () => {} };
  };
  const named = (name: string, cases: readonly Case[]): Case[] =>
    cases.map((each) => ({ ...each, name: `${name}: ${each.name}` }));
  return [
    ...testTransport(open()),
    ...sliceCases(open(2 ** 21)),
    ...named("with a secret", testTransport(keyed(false))),
    ...named("encrypted", testTransport(keyed(true))),
    overTls,
  ];
}
