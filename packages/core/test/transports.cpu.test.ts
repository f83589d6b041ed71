// The memory and threads transports in one thread: conformance, and what is theirs alone: stalls named, credit, closing.
import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { testTransport } from "../../testing/src/transport.ts";
import { ClosedError, StallError } from "../src/errors.ts";
import type { Endpoint, Frame } from "../src/transports/endpoint.ts";
import { memoryEndpoints as memory } from "../src/transports/memory.ts";
import { type JoinOptions, joinThreads } from "../src/transports/threads/threads.ts";
import { type WiringOptions, wireThreads } from "../src/transports/threads/wiring.ts";

const mebi = 2 ** 20;
const frame = (length: number): Frame => ({ dtype: "uint8", shape: [length], data: new Uint8Array(length) });

/** Ranks of the same `home` meet in memory, all others through rings; one real thread holds them all. */
function threads(home: readonly number[], options: WiringOptions & JoinOptions = {}): Endpoint[] {
  const wiring = wireThreads(home, options);
  const joined = [...new Set(home)].flatMap((thread) => [...joinThreads(wiring, thread, options).values()]);
  return joined.sort((a, b) => a.rank - b.rank);
}

const opens = {
  memory: (size: number, options: JoinOptions = {}) => memory(size, options),
  "threads, one rank each": (size: number, options: JoinOptions = {}) => threads([...Array(size).keys()], options),
  "threads, two ranks each": (size: number, options: JoinOptions = {}) =>
    threads(
      Array.from({ length: size }, (_, rank) => rank >> 1),
      { ...options, ring: 2 ** 16 },
    ),
};

describe.each(Object.entries(opens))("%s", (_, open) => {
  it.each(testTransport(async (size) => ({ endpoints: open(size), close: async () => {} })))("$name", ({ run }) =>
    run(),
  );

  it("names who waits for whom", async () => {
    const [a, b] = open(2, { stall: 80 }) as [Endpoint, Endpoint];
    await b.send([0], "early", frame(8));
    const waits = [b.recv(0, "tp.all-reduce step 3"), a.recv(1, "pp.f2 step 3")];
    const [first] = (await Promise.allSettled(waits)) as [PromiseRejectedResult];
    expect(first.reason.message).toMatch(/^stalled: rank 1 waits for rank 0: "tp.all-reduce step 3"/);
    expect(first.reason).toBeInstanceOf(StallError);
    expect(first.reason.waits[0]).toEqual({ rank: 1, from: 0, key: "tp.all-reduce step 3" });
    await Promise.all([a.close(), b.close()]);
  });

  it("tells who waits for a rank that closes, and still delivers what that rank had sent", async () => {
    const [a, b, c] = open(3) as [Endpoint, Endpoint, Endpoint];
    await a.send([2], "before", frame(8));
    const told = expect(Promise.all([b.recv(0, "gone")])).rejects.toThrow(
      'rank 1 waits for rank 0, which is closed: "gone"',
    );
    await a.close();
    await told;
    expect((await c.recv(0, "before")).data.length).toBe(8);
    await expect(c.recv(0, "after")).rejects.toThrow("rank 0, which is closed");
    await expect(c.recv(0, "after")).rejects.toMatchObject({ name: "ClosedError", rank: 0 });
    await expect(c.send([0], "after", frame(8))).rejects.toThrow(new ClosedError(0));
    await Promise.all([b.close(), c.close()]);
  });
});

it("names all waits of a thread, and what arrived", async () => {
  const [a, b] = memory(2, { stall: 80 }) as [Endpoint, Endpoint];
  await b.send([0], "early", frame(8));
  const waits = [b.recv(0, "x"), a.recv(1, "y")];
  const message =
    'stalled: rank 1 waits for rank 0: "x"; rank 0 waits for rank 1: "y". Arrived, not asked for: rank 0 from rank 1: "early"';
  await expect(waits[0]).rejects.toThrow(message);
  await expect(waits[1]).rejects.toThrow('stalled: rank 0 waits for rank 1: "y"; rank 1 waits for rank 0: "x"');
});

describe.each([
  ["of two threads", [0, 1]],
  ["of one thread", [0, 0]],
])("credit between ranks %s", (_, home) => {
  const credit = 4 * mebi;

  it("bounds what the receiver has not asked for", async () => {
    const [a, b] = threads(home, { credit }) as [Endpoint, Endpoint];
    let done = 0;
    const sends = Array.from({ length: 8 }, (_, i) => a.send([1], `${i}`, frame(mebi)).then(() => done++));
    await expect.poll(() => done).toBe(4);
    await setTimeout(50); // they are in its letter box, and no other follows
    expect(done).toBe(4);
    await b.recv(0, "0");
    await expect.poll(() => done).toBe(5);
    await setTimeout(50);
    expect(done).toBe(5);
    for (let i = 1; i < 8; i++) await b.recv(0, `${i}`);
    await Promise.all(sends);
    await Promise.all([a.close(), b.close()]);
  });

  it("lets through what a receiver waits for behind frames it does not ask for", async () => {
    const [a, b] = threads(home, { credit }) as [Endpoint, Endpoint];
    const send = async () => {
      for (let i = 0; i < 12; i++) await a.send([1], `${i}`, frame(mebi));
    };
    await Promise.all([send(), b.recv(0, "11")]);
    await Promise.all([a.close(), b.close()]);
  });

  it("does not deadlock two ranks that both send before they receive", async () => {
    const ranks = threads(home, { credit });
    const run = async ({ rank, send, recv }: Endpoint) => {
      for (let i = 0; i < 12; i++) await send([1 - rank], `${i}`, frame(mebi));
      for (let i = 0; i < 12; i++) await recv(1 - rank, `${i}`);
    };
    await Promise.all(ranks.map(run));
    await Promise.all(ranks.map(({ close }) => close()));
  });

  it("names a sender that waits for credit", async () => {
    const [a, b] = threads(home, { credit, stall: 80 }) as [Endpoint, Endpoint];
    await a.send([1], "all", frame(credit));
    const more = a.send([1], "more", frame(8));
    await expect(more).rejects.toThrow(/rank 0 waits for rank 1 to receive, so that "more" \(8 bytes\)/);
    await expect(more).rejects.toMatchObject({ waits: [{ rank: 0, to: 1, key: "more" }] });
    await Promise.all([a.close(), b.close()]);
  });
});

it("refuses what cannot be wired, with the way out", () => {
  expect(() => wireThreads([0, 2])).toThrow("threads count from 0");
  expect(() => wireThreads([0, 1], { ring: 1000 })).toThrow("power of two");
  expect(() => wireThreads([0, 1], { credit: 0 })).toThrow("positive");
  expect(() => joinThreads(wireThreads([0, 1]), 2)).toThrow("thread 2 has no rank");
  expect(() => memory(1, { stall: 0 })).toThrow("stall 0 ms");
});
