// The generator against its authors' known answers, and what is drawn from it.
import { expect, test } from "vitest";
import { normal, randomKey, uniformInt } from "../src/index.ts";
import { philox } from "../src/params/random.ts";

const hex = (words: readonly number[]) => words.map((word) => word.toString(16).padStart(8, "0")).join(" ");

// Random123, tests/kat_vectors, philox4x32 10: the counter here is its two low words; the high ones are zero.
test("Philox 4x32-10 gives the known answer for counter 0 and key 0", () => {
  expect(hex(philox([0, 0], 0))).toBe("6627e8d5 e169c58d bc57ac4c 9b00dbd8");
});

/** The same generator with whole 128-bit products, straight from the paper's section 2.3. */
function reference(key: readonly [bigint, bigint], counter: readonly bigint[]): string {
  let [x0, x1, x2, x3] = counter as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key;
  const low = (n: bigint) => n & 0xffffffffn;
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * x0;
    const p1 = 0xcd9e8d57n * x2;
    [x0, x1, x2, x3] = [(p1 >> 32n) ^ x1 ^ k0, low(p1), (p0 >> 32n) ^ x3 ^ k1, low(p0)];
    [k0, k1] = [low(k0 + 0x9e3779b9n), low(k1 + 0xbb67ae85n)];
  }
  return hex([x0, x1, x2, x3].map(Number));
}

test("the reference of this test gives the known answers for other counters and keys", () => {
  const ones = 0xffffffffn;
  expect(reference([ones, ones], [ones, ones, ones, ones])).toBe("408f276d 41c83b0e a20bc7c6 6d5451fd");
  const pi = [0x243f6a88n, 0x85a308d3n, 0x13198a2en, 0x03707344n];
  expect(reference([0xa4093822n, 0x299f31d0n], pi)).toBe("d16cfe09 94fdcceb 5001e420 24126ea1");
});

test.each([0, 1, 12345, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 7])("counter %i gives what the reference gives", (counter) => {
  const key = [0xdeadbeef, 0x12345678] as const;
  const words = [counter % 2 ** 32, Math.floor(counter / 2 ** 32), 0, 0];
  expect(hex(philox(key, counter))).toBe(reference([BigInt(key[0]), BigInt(key[1])], words.map(BigInt)));
});

test("normal variates have mean 0, variance 1, and the tails of a sum of eight", () => {
  const key = randomKey(7, "weights");
  const n = 100_000;
  const values = Array.from({ length: n }, (_, i) => normal(key, i));
  const mean = values.reduce((sum, v) => sum + v, 0) / n;
  const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / n;
  expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(n));
  expect(Math.abs(variance - 1)).toBeLessThan(4 * Math.sqrt(2 / n));
  expect(Math.max(...values.map(Math.abs))).toBeLessThan((8 * Math.sqrt(12 / 8)) / 2);
  expect(values.filter((v) => Math.abs(v) > 1.96).length / n).toBeCloseTo(0.05, 2);
});

test("integers cover their range evenly", () => {
  const key = randomKey(0, "integers");
  const counts = new Array<number>(7).fill(0);
  for (let i = 0; i < 7000; i++) counts[uniformInt(key, i, 7)]!++;
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt(1000));
});

test("keys differ by seed and by name", () => {
  const keys = [0, 1, 2].flatMap((seed) => ["a", "b", "ab", "ba"].map((name) => `${randomKey(seed, name)}`));
  expect(new Set(keys).size).toBe(keys.length);
});
