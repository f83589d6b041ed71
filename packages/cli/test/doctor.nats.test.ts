// `orthant doctor` on this machine, with a server and without.
import { tmpdir } from "node:os";
import { TestServer } from "@orthant/testing/nats-server";
import { expect, onTestFinished, test } from "vitest";
import { server } from "../src/doctor/server.ts";
import { Launcher } from "./launcher.ts";

test("tells what there is, and how fast the server is", async () => {
  const doctor = new Launcher(tmpdir(), ["doctor", "--nats", "embedded", "--jetstream"]);
  expect(await doctor.code()).toBe(0);
  expect(doctor.error).toBe("");
  for (const row of [
    /^runtime +node +\d/,
    /^device +wasm +\S+ GFLOP/,
    /^device +cpu +\S+ GFLOP/,
    /^program +nats-server +\d/,
  ])
    expect(doctor.out).toMatch(new RegExp(row, "m"));
  expect(doctor.out).toMatch(/^server +max_payload +1.00 MiB$/m);
  expect(doctor.out).toMatch(/^server +JetStream +yes/m);
  expect(doctor.out).toMatch(/^server +round trip +\S+ ms for 1 KiB$/m);
  expect(doctor.out).toMatch(/^server +bandwidth +\d+ MB\/s/m);
});

test("says what is wrong with a server", async () => {
  const rows = await server({ servers: ["nats://127.0.0.1:1"], run: "none", jetstream: false });
  expect(rows.at(-1)).toMatchObject({ broken: true, advice: expect.stringMatching(/^no nats-server at nats:/) });
  const small = await TestServer.start("max_payload: 100000");
  onTestFinished(() => small.stop());
  const found = await server({ servers: [small.url], run: "small", jetstream: true });
  const advice = Object.fromEntries(found.map((row) => [row.name, row.advice]));
  expect(advice).toMatchObject({
    max_payload: "100000 cuts frames into many parts: set max_payload: 1MB on the server",
    JetStream: "the server has none: start it with --jetstream",
  });
});
