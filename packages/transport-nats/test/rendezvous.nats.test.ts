// Who may join a run and who is refused, in one line that says why. Over a real server.

import { TestServer } from "@orthant/testing/nats-server";
import { afterAll, expect, it } from "vitest";
import { type NatsEndpointOptions, openNats } from "../src/index.ts";
import { runName } from "./open.ts";

const server = await TestServer.start();
const small = await TestServer.start("max_payload: 200");
afterAll(() => Promise.all([server.stop(), small.stop()]));

const join = (run: string, rank: number, options: Partial<NatsEndpointOptions> = {}) =>
  openNats({ servers: server.url, run, rank, size: 2, gather: 5000, ...options });

/** Both ranks of a run, and then another client of it. */
async function late(options: Partial<NatsEndpointOptions>) {
  const run = runName();
  const ranks = await Promise.all([join(run, 0), join(run, 1)]);
  const refused = await join(run, 1, options).catch((error: Error) => error.message);
  await ranks[0]!.send([1], "still", { dtype: "uint8", shape: [1], data: new Uint8Array([7]) });
  expect((await ranks[1]!.recv(0, "still")).data[0]).toBe(7);
  await Promise.all(ranks.map((rank) => rank.close()));
  return refused;
}

it("refuses a rank that comes late, and the run goes on", async () => {
  expect(await late({})).toMatch(/^refused: run ".*" goes on with its own rank 1: give each run a name of its own$/);
});

it("refuses another size, an earlier epoch and another plan", async () => {
  expect(await late({ size: 3 })).toMatch(/has 2 ranks, this client says 3/);
  expect(await late({ fingerprint: { mesh: "dp 4" } })).toMatch(
    /mesh is not given with rank [01], dp 4 here: start every/,
  );
  const run = runName();
  const ranks = await Promise.all([join(run, 0, { epoch: 2 }), join(run, 1, { epoch: 2 })]);
  await expect(join(run, 1, { epoch: 1 })).rejects.toThrow(/is in epoch 2, this client says 1/);
  await Promise.all(ranks.map((rank) => rank.close()));
});

it("never lets two in that start as the same rank", async () => {
  const run = runName();
  const all = await Promise.allSettled([join(run, 0), join(run, 0), join(run, 1, { gather: 2000 })]);
  const [both, other] = [all.slice(0, 2), all[2]];
  const reasons = both.flatMap((end) => (end.status === "rejected" ? [end.reason.message] : []));
  expect(reasons.length).toBeGreaterThan(0);
  for (const reason of reasons) expect(reason).toMatch(/^refused: run ".*" .*rank 0: give each run a name of its own/);
  expect(other?.status).toBe(reasons.length === 1 ? "fulfilled" : "rejected"); // started at once, both may be refused
  await Promise.all(all.map((end) => (end.status === "fulfilled" ? end.value.close() : undefined)));
});

it("names the ranks that do not come", async () => {
  await expect(join(runName(), 0, { gather: 400 })).rejects.toThrow(/no word of rank 1 in 400 ms: start them/);
});

it("refuses a server without JetStream only where it is asked for", async () => {
  await expect(join(runName(), 0, { jetstream: true })).rejects.toThrow(
    /has no JetStream: start it with nats-server -js/,
  );
});

it("refuses what cannot work, with the way out", async () => {
  await expect(join("a.b", 0)).rejects.toThrow('run "a.b": 1 to 64 letters, digits, _ and -');
  await expect(join("a", 2)).rejects.toThrow("ranks [2] of 2: each once, from 0 to 1");
  await expect(join("a", 0, { servers: small.url })).rejects.toThrow(/max_payload 200 .* set it to 1MB/);
});
