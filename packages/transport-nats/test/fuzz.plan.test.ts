// Frames and control messages that were tampered with: each is refused or means something valid, nothing else is thrown,
// and no memory is taken for what they claim. `FUZZ=1000000` for more; the mutations follow from the seed.
import { crc32 } from "node:zlib";
import { Packr } from "msgpackr";
import { expect, it } from "vitest";
import { ControlCodec } from "../src/protocol/control.ts";
import { FrameCodec, FrameError, frameBytes, type PartHeader, partBytes } from "../src/protocol/frame.ts";

const rounds = Number(process.env.FUZZ ?? 100_000);
const limits = { maxFrame: 2 ** 20 };
const codec = new FrameCodec();
const packr = new Packr({ useRecords: false });

const head: PartHeader = {
  run: "r",
  epoch: 3,
  seq: 7,
  from: 1,
  key: "dp.sum",
  dtype: "float32",
  wire: "float32",
  shape: [4, 6],
  part: 0,
  parts: 1,
};
const data = new Uint8Array(96).map((_, i) => i);

/** Xorshift, Marsaglia 2003. */
const random = (seed: number) => {
  let state = seed;
  return (below: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
};

/** A message with this header and correct checksums: what only the checks of its fields can refuse. */
function sealed(header: Uint8Array, payload: Uint8Array): Uint8Array {
  const at = (8 + header.length + 7) & ~7;
  const bytes = new Uint8Array(at + payload.length);
  new Uint32Array(bytes.buffer, 0, 2).set([header.length, crc32(header)]);
  bytes.set(header, 8);
  bytes.set(payload, at);
  return bytes;
}

const nested = (depth: number): Uint8Array => new Uint8Array(depth + 1).fill(0x91);
const hugeArray = Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff);
const hugeText = Uint8Array.of(0xdb, 0x7f, 0xff, 0xff, 0xff, 0x61);
const values = [
  -1,
  0.5,
  2 ** 31,
  2 ** 53,
  1e300,
  NaN,
  "",
  "float32",
  null,
  true,
  [2 ** 40, 2 ** 40],
  [[[1]]],
  {},
  [1, -1],
];

const mutations: ((below: (n: number) => number) => Uint8Array)[] = [
  (below) => flipped(codec.encode(head, data), below),
  (below) => codec.encode(head, data).slice(0, below(140)),
  (below) => {
    const bytes = codec.encode(head, data);
    new Uint32Array(bytes.buffer, 0, 1)[0] = below(2 ** 32);
    return bytes;
  },
  (below) => {
    const fields: unknown[] = [1, "r", 3, 7, 1, "dp.sum", "float32", "float32", [4, 6], 0, 1, crc32(data)];
    fields[below(fields.length)] = values[below(values.length)];
    return sealed(packr.pack(fields), data);
  },
  (below) => sealed(nested(below(4000)), data),
  (below) => sealed(below(2) ? hugeArray : hugeText, data),
  (below) =>
    sealed(flipped(packr.pack([1, "r", 3, 7, 1, "k", "uint8", "uint8", [96], 0, 1, crc32(data)]), below), data),
];

function flipped(bytes: Uint8Array, below: (n: number) => number): Uint8Array {
  const copy = new Uint8Array(bytes);
  for (let i = 0; i <= below(4); i++) copy[below(copy.length)]! ^= 1 << below(8);
  return copy;
}

it(`survives ${rounds} mutated frames`, { timeout: 120_000 }, () => {
  const below = random(2463534242);
  const found = { refused: 0, valid: 0 };
  for (let i = 0; i < rounds; i++) {
    const bytes = mutations[i % mutations.length]!(below);
    try {
      const part = codec.decode(bytes, limits);
      expect(part.data.length).toBeLessThanOrEqual(bytes.length);
      expect(frameBytes(part)).toBeLessThanOrEqual(limits.maxFrame);
      found.valid++;
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      found.refused++;
    }
  }
  console.log(`${found.refused} refused, ${found.valid} still valid`);
  expect(found.refused).toBeGreaterThan(rounds / 2);
});

it("takes no memory for what a message claims to hold", () => {
  const messages = [sealed(hugeArray, data), sealed(hugeText, data), sealed(nested(4000), data)];
  const before = process.memoryUsage();
  for (let i = 0; i < 300; i++)
    for (const bytes of messages) expect(() => codec.decode(bytes, limits)).toThrow(FrameError);
  const after = process.memoryUsage();
  expect(after.rss + after.external - before.rss - before.external).toBeLessThan(64 * 2 ** 20);
});

it("survives mutated control messages", { timeout: 60_000 }, () => {
  const controls = new ControlCodec();
  const state = {
    epoch: 0,
    node: 1,
    count: 2,
    links: 0,
    resent: 0,
    window: 4096,
    asks: false,
    waiting: [1],
    left: [],
    seen: [0],
  };
  const rest = { consumed: [[0, 1, 5]], acks: [[0, "3", 2, 0]], opens: [], last: [[1, "dp"]] } as const;
  const bytes = controls.encode({ kind: "state", ...state, ...rest });
  expect(controls.decode(bytes)).toEqual({ kind: "state", ...state, ...rest });
  const below = random(88675123);
  for (let i = 0; i < rounds / 10; i++) {
    try {
      controls.decode(below(2) ? flipped(bytes, below) : bytes.slice(0, below(bytes.length)));
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
    }
  }
});

it("brings back what was sent, part by part", () => {
  const step = partBytes(head, 600);
  expect(step % 8).toBe(0);
  for (const [part, from] of [0, 40].entries()) {
    const sent = { ...head, part, parts: 2, shape: [20], key: "\u00e9 step 1" };
    const bytes = codec.encode(sent, data.subarray(from, from + 40));
    const unaligned = new Uint8Array(bytes.length + 3);
    unaligned.set(bytes, 3);
    expect(codec.decode(unaligned.subarray(3), limits)).toEqual({ ...sent, data: data.subarray(from, from + 40) });
  }
  expect(() => codec.decode(codec.encode(head, data.subarray(0, 95)), limits)).toThrow(
    "part 0 of 1 has 95 bytes of 96",
  );
  const half = { ...head, wire: "uint8" as const };
  expect(() => codec.decode(codec.encode(half, data), limits)).toThrow("another type on the wire than float32");
  const large = codec.encode({ ...head, shape: [2 ** 20] }, data);
  expect(() => codec.decode(large, limits)).toThrow("a frame of 4194304 bytes: at most 1048576");
});
