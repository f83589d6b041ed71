// Numbers packed for the wire: bf16 against a converter that goes by the numbers, not the bits; int8 within half a scale; exact bytes.
import { describe, expect, test } from "vitest";
import { codecOf } from "../src/wire/codec.ts";

const bits = (x: number): number => new Uint32Array(Float32Array.of(x).buffer)[0]!;
const ofBits = (b: number): number => new Float32Array(Uint32Array.of(b).buffer)[0]!;

/** The nearer of the two bfloat16s around `x`; of two as near, the one whose last bit is 0. */
function naive(x: number): number {
  if (Number.isNaN(x)) return Number.NaN;
  if (!Number.isFinite(x)) return x;
  const toZero = bits(x) & 0xffff0000;
  const [near, far] = [ofBits(toZero), ofBits(toZero + 0x10000)];
  // What lies beyond the largest number is taken for the power of two that it would be.
  const beyond = Number.isFinite(far) ? far : Math.sign(x) * 2 ** 128;
  const [a, b] = [Math.abs(x - near), Math.abs(beyond - x)];
  if (a !== b) return a < b ? near : far;
  return (toZero >>> 16) % 2 === 0 ? near : far;
}

const special = [
  ...[0, -0, 1, -1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  ...[0x00000001, 0x80000001, 0x00007fff, 0x00008000, 0x00018000, 0x007fffff, 0x00800000].map(ofBits), // denormals and ties
  ...[0x3f808000, 0x3f818000, 0x3f807fff, 0x3f808001, 0xbf808000, 0xbf818000].map(ofBits), // ties, and beside them
  ...[0x7f7fffff, 0xff7fffff, 0x7f7f8000, 0x7f7f7fff, 0x7f800001, 0x7fffffff, 0xffc00001].map(ofBits), // largest, NaNs
];

/** Bit patterns all over, the same in every run. */
const scattered = Float32Array.from({ length: 20_000 }, (_, i) => ofBits(Math.imul(i + 1, 0x9e3779b1) >>> 0));

const there = (name: "f32" | "bf16" | "int8", x: Float32Array, lost?: Float32Array): Float32Array => {
  const codec = codecOf(name, 256);
  const packed = codec.pack([x], lost);
  expect(packed.byteLength).toBe(codec.bytes([x.length]));
  const y = new Float32Array(x.length);
  codec.unpack(packed, [y]);
  return y;
};

test.each([
  ["special", Float32Array.from(special)],
  ["scattered", scattered],
])("bf16 rounds %s values to nearest even, to the bit", (_, values) => {
  const found = there("bf16", values);
  for (const [i, x] of values.entries()) expect([x, found[i]]).toEqual([x, naive(x)]);
});

test("what is a bfloat16 stays as it is", () => {
  const once = there("bf16", scattered);
  expect(there("bf16", once)).toEqual(once);
});

describe("int8", () => {
  const wave = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i) * 10 ** (i % 5));

  test("is within half a scale, block by block", () => {
    const found = there("int8", wave);
    for (const [i, x] of wave.entries()) {
      const from = i - (i % 256);
      const scale = wave.subarray(from, from + 256).reduce((most, y) => Math.max(most, Math.abs(y)), 0) / 127;
      expect(Math.abs(found[i]! - x)).toBeLessThanOrEqual(scale * 0.5001);
    }
  });

  test("keeps what is lost, and adds it the next time", () => {
    const lost = new Float32Array(wave.length);
    const sum = new Float64Array(wave.length);
    for (let step = 1; step <= 50; step++) for (const [i, x] of there("int8", wave, lost).entries()) sum[i]! += x;
    for (const [i, x] of wave.entries()) expect(sum[i]! + lost[i]!).toBeCloseTo(50 * x, 0);
  });

  test("shows what is not finite, in its block alone, and keeps no loss of it", () => {
    const values = Float32Array.from({ length: 600 }, (_, i) => (i === 300 ? Number.POSITIVE_INFINITY : 1));
    const lost = new Float32Array(600);
    const found = there("int8", values, lost);
    expect(found.subarray(0, 256)).toEqual(new Float32Array(256).fill(1));
    expect(found.subarray(256, 512).every(Number.isNaN)).toBe(true);
    expect(lost.every(Number.isFinite)).toBe(true);
  });

  test("zeros and numbers too small for a scale are zeros", () => {
    expect(there("int8", Float32Array.of(0, -0, ofBits(1)))).toEqual(Float32Array.of(0, 0, 0));
  });

  test("no block holds elements of two vectors", () => {
    const codec = codecOf("int8", 4);
    const vectors = [Float32Array.of(1000, 1000), Float32Array.of(1, 0.5, 1, 0.5, 0.25), new Float32Array(0)];
    const packed = codec.pack(vectors);
    expect(packed.byteLength).toBe(7 + 4 * 3);
    const found = vectors.map(({ length }) => new Float32Array(length));
    codec.unpack(packed, found);
    for (const [v, vector] of vectors.entries())
      for (const [i, x] of vector.entries()) expect(found[v]![i]).toBeCloseTo(x, 2);
  });
});
