// What networks do: the server dies and comes back, a rank's thread is blocked, a rank is killed, a rank never comes.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { connect } from "@nats-io/transport-node";
import { type Frame, LostRankError, RankError, StallError } from "@orthant/core";
import { TestServer } from "@orthant/testing/nats-server";
import { afterAll, expect, it } from "vitest";
import { type NatsEndpoint, openNats } from "../src/index.ts";
import { openAll, runName } from "./open.ts";

const server = await TestServer.start();
afterAll(() => server.stop());
const servers = server.url;

const numbers = (seed: number, length: number): Frame => {
  const data = new Int32Array(length);
  for (let i = 0; i < length; i++) data[i] = Math.imul(i + seed, 0x9e3779b1);
  return { dtype: "int32", shape: [length], data: new Uint8Array(data.buffer) };
};

/** Blocks this thread. */
const block = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

const closeAll = (ranks: readonly NatsEndpoint[]) => Promise.all(ranks.map((rank) => rank.close()));

/** Each rank sends to all others, `steps` times, and checks what comes; `onStep` hears of each step as it begins. */
const exchange = async (
  { rank, size, send, recv, recycle }: NatsEndpoint,
  steps: number,
  length: number,
  onStep = (_: number): void => {},
) => {
  const others = [...Array(size).keys()].filter((other) => other !== rank);
  for (let step = 0; step < steps; step++) {
    onStep(step);
    const sent = send(others, `step ${step}`, numbers(rank + step, length));
    for (const other of others) {
      const { data } = await recv(other, `step ${step}`);
      if (Buffer.compare(data, numbers(other + step, length).data) !== 0) throw new Error(`step ${step}: other bytes`);
      recycle?.(data);
    }
    await sent;
  }
};

it("goes on with the same bytes when the server is killed and restarted in mid-traffic", async () => {
  const ranks = await openAll(3, { servers });
  let step = 0;
  const done = Promise.all(ranks.map((rank) => exchange(rank, 60, 300_000, (begun) => (step = begun))));
  for (const reached of [10, 30]) {
    await expect.poll(() => step, { timeout: 30_000, interval: 10 }).toBeGreaterThanOrEqual(reached);
    await server.kill();
    await setTimeout(300);
    await server.up();
  }
  await done;
  await closeAll(ranks);
  expect(ranks[0]!.counts().reconnects).toBeGreaterThan(0);
  expect(ranks[0]!.counts().refused).toBe(0);
});

it("publishes once what goes to several", async () => {
  const ranks = await openAll(3, { servers });
  await Promise.all([
    ranks[0]!.send([1, 2], "both", numbers(1, 1000)),
    ranks[1]!.recv(0, "both"),
    ranks[2]!.recv(0, "both"),
  ]);
  await closeAll(ranks); // a frame can arrive before the sender's client counts it
  expect(ranks[0]!.counts().published).toBe(1);
});

it("misses no heartbeat and no frame while the ranks' thread is blocked", async () => {
  const ranks = await openAll(2, { servers, heartbeat: 100, silence: 1000, credit: 2 ** 20 });
  const done = Promise.all(ranks.map((rank) => exchange(rank, 20, 100_000)));
  await setTimeout(50);
  block(3000);
  await done;
  await closeAll(ranks);
});

it("bounds what a receiver has not asked for, and lets through what it waits for behind it", async () => {
  const ranks = await openAll(2, { servers, credit: 2 ** 20 });
  const [a, b] = ranks as [NatsEndpoint, NatsEndpoint];
  let done = 0;
  const sends = Array.from({ length: 12 }, (_, i) => a.send([1], `${i}`, numbers(i, 2 ** 16)).then(() => done++));
  await expect.poll(() => b.counts().received).toBe(4);
  await setTimeout(300); // they are in its letter box, and no other follows
  expect(done).toBe(4);
  const first = b.recv(0, "0");
  block(200); // what is there is not waited for, however long this thread takes to look at it
  await first;
  await expect.poll(() => done).toBe(5);
  await setTimeout(300);
  expect(done).toBe(5);
  await b.recv(0, "11");
  await Promise.all(sends);
  await closeAll(ranks);
});

it("does not deadlock two ranks that both send before they receive", async () => {
  const ranks = await openAll(2, { servers, credit: 2 ** 20 });
  const run = async ({ rank, send, recv }: NatsEndpoint) => {
    for (let i = 0; i < 12; i++) await send([1 - rank], `${i}`, numbers(i, 2 ** 16));
    for (let i = 0; i < 12; i++) await recv(1 - rank, `${i}`);
  };
  await Promise.all(ranks.map(run));
  await closeAll(ranks);
});

it("names a rank that is killed, and what it did last", async () => {
  const run = runName();
  const child = spawn(process.execPath, [fileURLToPath(new URL("./rank.ts", import.meta.url)), servers, run]);
  const [a] = await Promise.all([
    openNats({ servers, run, rank: 0, size: 2, heartbeat: 100, silence: 1500 }),
    once(child.stdout, "data"),
  ]);
  await a.recv(1, "dp.all-gather step 1");
  await setTimeout(300);
  child.kill("SIGKILL");
  const from = performance.now();
  const lost = a.recv(1, "dp.all-gather step 2");
  await expect(lost).rejects.toThrow(
    /^rank 1 gave no sign of life for \d+ ms, silence allows 1500 \(last seen: never\); rank 0 waits for rank 1/,
  );
  await expect(lost).rejects.toThrow(LostRankError);
  await expect(lost).rejects.toMatchObject({ rank: 1, cause: { name: "ClosedError" } });
  expect(performance.now() - from).toBeLessThan(5000);
  await a.close();
});

it("tells the others what a rank failed with, by class and fields", async () => {
  const ranks = await openAll(3, { servers });
  const [a, b, c] = ranks as [NatsEndpoint, NatsEndpoint, NatsEndpoint];
  const waits = [a.recv(1, "dp.all-gather step 2"), a.recv(2, "dp.all-gather step 2")];
  const told = Promise.allSettled(waits);
  await b.close(new RankError({ rank: 1, step: 2, action: "0F1" }, new TypeError("no such dim")));
  for (const [i, { reason }] of ((await told) as PromiseRejectedResult[]).entries()) {
    expect(reason).toBeInstanceOf(LostRankError);
    expect(reason).toMatchObject({
      rank: 1,
      reason: expect.stringMatching(/^rank 1 failed at step 2, action 0F1: no such/),
    });
    expect(reason.message).toContain(`rank 0 waits for rank ${i + 1}`);
    expect(reason.cause).toBeInstanceOf(RankError);
    expect(reason.cause).toMatchObject({ rank: 1, step: 2, action: "0F1", cause: { name: "TypeError" } });
  }
  await Promise.all([a.close(), c.close()]);
});

it("tells the others when a rank's process ends in mid-run, whatever its code", async () => {
  const run = runName();
  const args = [fileURLToPath(new URL("./rank.ts", import.meta.url)), servers, run, "1", "2", "leave"];
  const child = spawn(process.execPath, args);
  const [a] = await Promise.all([openNats({ servers, run, rank: 0, size: 2 }), once(child.stdout, "data")]);
  const from = performance.now();
  await expect(a.recv(1, "dp.all-gather step 2")).rejects.toThrow(
    /^rank 1 ended with its process \(code 0\) before the run did \(last seen: never\); rank 0 waits for rank 1/,
  );
  expect(performance.now() - from).toBeLessThan(5000);
  await a.close();
});

it("counts and reports what is not of the run, and drops it", async () => {
  const run = runName();
  const both = [0, 1].map((rank) => openNats({ servers, run, rank, size: 2, heartbeat: 50 }));
  const [a, b] = (await Promise.all(both)) as [NatsEndpoint, NatsEndpoint];
  const warned = new Promise<string>((resolve) => {
    process.on("warning", ({ message }) => message.startsWith(`run "${run}"`) && resolve(message));
  });
  const stranger = await connect({ servers });
  for (let i = 0; i < 10; i++) stranger.publish(`orthant.${run}.0.data.2.0`, new Uint8Array(64).fill(i));
  await stranger.flush();
  await stranger.close();
  expect(await warned).toMatch(/^run ".*": \d+ messages refused so far, the last one because: /);
  await expect.poll(() => b.counts().refused).toBe(10);
  await a.send([1], "still", numbers(1, 10));
  expect((await b.recv(0, "still")).data).toEqual(numbers(1, 10).data);
  await closeAll([a, b]);
});

it("says which rank never entered a collective, and where it was last", async () => {
  const ranks = await openAll(2, { servers, heartbeat: 50, stall: 2000 });
  const [a, b] = ranks as [NatsEndpoint, NatsEndpoint];
  await b.send([0], "tp.all-reduce step 12", numbers(0, 1));
  const stalled = a.recv(1, "dp.all-gather step 12 layer 3");
  await expect(stalled).rejects.toThrow(StallError);
  await expect(stalled).rejects.toThrow(
    "rank 1 never entered dp.all-gather step 12 layer 3 (last seen: tp.all-reduce step 12)",
  );
  await closeAll(ranks);
});
