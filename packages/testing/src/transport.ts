// What every transport must do, as plain cases for any test runner. Not a benchmark.

// `testTransport(async (size) => ({ endpoints: memoryEndpoints(size), close: async () => {} }))`
import { ClosedError, type Endpoint, type Frame } from "@orthant/core";
import { type DTypeName, elementBytes } from "@orthant/core/transport-kit";

import type { Case } from "./case.ts";
import { bytes, equal, hash, refused, same, shuffled, within } from "./transport-checks.ts";

/** Connects `size` endpoints, `endpoints[rank].rank === rank`; `close` ends what the endpoints' own `close` leaves. */
export type OpenTransport = (
  size: number,
) => Promise<{ readonly endpoints: readonly Endpoint[]; close(): Promise<void> }>;

type Check = (ranks: readonly Endpoint[]) => Promise<void>;

/** Most milliseconds that one case may take. */
const patience = 60_000;
/** Bytes of a frame larger than any ring, and beyond the credit of a frame or two. */
const large = 40 * 2 ** 20;

/** Lists the conformance suite of a transport: one case a promise of `Endpoint`. */
export const testTransport = (open: OpenTransport): Case[] => [
  ...[1, 2, 3, 4].map((size) => toCase(open, size, `all pairs of ${size}`, allPairs)),
  ...Object.entries(oneRank).map(([name, check]) => toCase(open, 1, name, check)),
  ...Object.entries(twoRanks).map(([name, check]) => toCase(open, 2, name, check)),
  ...Object.entries(fourRanks).map(([name, check]) => toCase(open, 4, name, check)),
];

const toCase = (open: OpenTransport, size: number, name: string, check: Check): Case => ({
  name,
  async run() {
    const { endpoints, close } = await open(size);
    try {
      await within(check(endpoints), patience, name);
    } finally {
      await Promise.all(endpoints.map((endpoint) => endpoint.close()));
      await close();
    }
  },
});

const allPairs: Check = async (ranks) => {
  const pairs = ranks.flatMap((from) => ranks.map((to) => ({ from, to, sent: bytes(from.rank * 4 + to.rank, 100) })));
  for (const rank of ranks) equal(rank.size, ranks.length, "size");
  await Promise.all([
    ...pairs.map(({ from, to, sent }) => from.send([to.rank], "pair", sent)),
    ...pairs.map(async ({ from, to, sent }) => same(await to.recv(from.rank, "pair"), sent)),
  ]);
};

const oneRank: Record<string, Check> = {
  "delivers to itself": async ([a]) => {
    await a!.send([0], "self", bytes(1, 24));
    same(await a!.recv(0, "self"), bytes(1, 24));
  },
  "refuses a length that is not dtype x shape": async ([a]) => {
    await refused(a!.send([0], "short", { dtype: "float32", shape: [2, 3], data: new Uint8Array(20) }), /24.*20/);
  },
  "refuses a rank that does not exist": async ([a]) => {
    await refused(a!.send([1], "nobody", bytes(0, 8)), /1/);
    await refused(a!.recv(-1, "nobody"), /-1/);
  },
};

const twoRanks: Record<string, Check> = {
  "delivers by key in any order": async ([a, b]) => {
    const keys = Array.from({ length: 20 }, (_, i) => `key ${i} \u00e9`);
    const early = b!.recv(0, keys[7]!);
    await Promise.all(keys.map((key, i) => a!.send([1], key, bytes(i, i * 8))));
    same(await early, bytes(7, 56));
    for (const [i, key] of [...keys.entries()].reverse())
      if (i !== 7) same(await b!.recv(0, key), bytes(i, i * 8), key);
  },
  "carries every size": async ([a, b]) => {
    for (const size of [0, 1, 3, 7, 9, 1023, 65_537, 1_048_577, large + 5]) await echo(a!, b!, bytes(size, size));
  },
  "carries every dtype, and scalars": async ([a, b]) => {
    for (const [dtype, size] of Object.entries(elementBytes) as [DTypeName, number][])
      for (const shape of [[], [1], [3, 5], [2, 0, 4]])
        await echo(a!, b!, {
          dtype,
          shape,
          data: bytes(
            size,
            shape.reduce((n, dim) => n * dim, size),
          ).data,
        });
  },
  "frees the sender's memory when send resolves": async ([a, b]) => {
    for (const size of [16, 100_000, large]) {
      const frame = bytes(size, size);
      const received = b!.recv(0, "mine");
      await a!.send([1], "mine", frame);
      frame.data.fill(0);
      same(await received, bytes(size, size));
    }
  },
  "gives the receiver memory of its own, aligned to 8": async ([a, b]) => {
    await Promise.all([3, 5, 4096].map((size) => a!.send([1], `${size}`, bytes(size, size))));
    const frames = await Promise.all([3, 5, 4096].map((size) => b!.recv(0, `${size}`)));
    for (const { data } of frames) equal(data.byteOffset % 8, 0, "byteOffset modulo 8");
    frames[0]!.data.fill(255);
    await echo(a!, b!, bytes(9, 4096));
    for (const i of [1, 2]) same(frames[i]!, bytes([3, 5, 4096][i]!, [3, 5, 4096][i]!), "an earlier frame");
  },
  "may use again the memory that is given back, and no other": async ([a, b]) => {
    const kept = bytes(1, 100_000);
    await a!.send([1], "kept", kept);
    const frame = await b!.recv(0, "kept");
    for (let i = 2; i < 6; i++) {
      await a!.send([1], "given back", bytes(i, 100_000));
      const received = await b!.recv(0, "given back");
      same(received, bytes(i, 100_000));
      b!.recycle?.(received.data);
    }
    same(frame, kept, "a frame not given back");
  },
  "lets a key be used again once it was received": async ([a, b]) => {
    for (let i = 0; i < 10; i++) await echo(a!, b!, bytes(i, 64));
  },
  "refuses a key sent twice before it was received, at the sender or at the receiver": async ([a, b]) => {
    await a!.send([1], "twice", bytes(1, 8));
    const second = a!.send([1], "twice", bytes(2, 8));
    await second.catch(() => {});
    await a!.send([1], "later", bytes(3, 8));
    await b!.recv(0, "later");
    await refused(Promise.all([second, b!.recv(0, "twice")]), /twice/);
  },
  "refuses a second receiver for one message": async ([, b]) => {
    const first = b!.recv(0, "one").catch(() => {});
    await refused(b!.recv(0, "one"), /one/);
    await b!.close();
    await first;
  },
  "settles everything that waits when it closes": async ([a, b]) => {
    const frame = bytes(1, large);
    const received = a!.recv(1, "never");
    const sends = [0, 1, 2].map((i) => a!.send([1], `much ${i}`, frame));
    const settled = Promise.allSettled([...sends, b!.recv(0, "nothing")]);
    await Promise.all([refused(received, ClosedError), a!.close(), b!.close()]);
    await settled;
    await a!.close();
    await refused(a!.send([1], "late", bytes(0, 8)), ClosedError);
    await refused(a!.recv(1, "late"), ClosedError);
  },
};

const fourRanks: Record<string, Check> = {
  "sends one frame to many, each with memory of its own": async (ranks) => {
    const [sent, everybody] = [bytes(4, 100_003), [3, 0, 2, 1]];
    const received = ranks.map((rank) => rank.recv(1, "many"));
    await ranks[1]!.send(everybody, "many", sent);
    for (const frame of await Promise.all(received)) {
      same(frame, sent);
      frame.data.fill(0);
    }
  },
  "keeps thousands of frames apart, all pairs, in random order": async (ranks) => {
    const messages = ranks.flatMap(({ rank: from }) =>
      ranks.flatMap(({ rank: to }) =>
        Array.from({ length: 200 }, (_, i) => ({ from, to, i, seed: from + 4 * to + 16 * i })),
      ),
    );
    const frame = (seed: number): Frame => bytes(seed, hash(seed) % 3000);
    await Promise.all([
      ...shuffled(messages, 1).map(({ from, to, i, seed }) => ranks[from]!.send([to], `${i}`, frame(seed))),
      ...shuffled(messages, 2).map(async ({ from, to, i, seed }) =>
        same(await ranks[to]!.recv(from, `${i}`), frame(seed)),
      ),
    ]);
  },
};

async function echo(a: Endpoint, b: Endpoint, frame: Frame): Promise<void> {
  const there = a.send([b.rank], "there", frame);
  const back = b.recv(a.rank, "there").then((received) => b.send([a.rank], "back", received));
  same(await a.recv(b.rank, "back"), frame);
  await Promise.all([there, back]);
}
