// Counter-based random numbers: value = f(key, counter), no state, so element i of a parameter is the same number on
// every mesh. Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011).

/** High 32 bits of a 32 x 32 bit product, through 16-bit halves: exact in doubles. */
function high(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const cross = a1 * b0 + ((a0 * b0) >>> 16);
  const middle = a0 * b1 + (cross & 0xffff);
  return (a1 * b1 + ((cross / 65536) >>> 0) + (middle >>> 16)) | 0;
}

/** Four uniform 32-bit words for one counter. */
export function philox(key: readonly [number, number], counter: number): [number, number, number, number] {
  let c0 = counter >>> 0;
  let c1 = Math.floor(counter / 4294967296);
  let c2 = 0;
  let c3 = 0;
  let k0 = key[0];
  let k1 = key[1];
  for (let round = 0; round < 10; round++) {
    const h0 = high(0xd2511f53, c0);
    const h1 = high(0xcd9e8d57, c2);
    const l0 = Math.imul(0xd2511f53, c0);
    const l1 = Math.imul(0xcd9e8d57, c2);
    c0 = h1 ^ c1 ^ k0;
    c1 = l1;
    c2 = h0 ^ c3 ^ k1;
    c3 = l0;
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

/** A key from a seed and a name: FNV-1a over the name, twice with different offsets. */
export function randomKey(seed: number, name: string): [number, number] {
  let a = (0x811c9dc5 ^ seed) >>> 0;
  let b = (0x9747b28c ^ Math.imul(seed + 1, 0x85ebca6b)) >>> 0;
  for (let i = 0; i < name.length; i++) {
    a = Math.imul(a ^ name.charCodeAt(i), 0x01000193) >>> 0;
    b = Math.imul(b ^ name.charCodeAt(i), 0x01000193) >>> 0;
  }
  return [a, b];
}

const halves = (word: number) => (word & 0xffff) + (word >>> 16);
/** Mean and inverse deviation of the sum of eight uniform 16-bit integers. */
const MEAN = 8 * 32767.5;
const SCALE = 1 / Math.sqrt((8 * (65536 ** 2 - 1)) / 12);

/**
 * A normal variate as the centred sum of eight 16-bit uniforms (Irwin-Hall: tails end at 4.9 deviations). Integer
 * arithmetic and one product, so that every runtime gives the same bits, which `Math.log` and `Math.cos` do not promise.
 */
export function normal(key: readonly [number, number], counter: number): number {
  const [a, b, c, d] = philox(key, counter);
  return (halves(a) + halves(b) + halves(c) + halves(d) - MEAN) * SCALE;
}

/** Uniform numbers in [0, 1) for the counters `from` and on, into `to`. A number depends on key and counter alone. */
export function fillUniform(key: readonly [number, number], from: number, to: Float32Array): void {
  let block = -1;
  let words: readonly number[] = [];
  for (let i = 0; i < to.length; i++) {
    const counter = from + i;
    const next = Math.floor(counter / 4);
    if (next !== block) words = philox(key, next);
    block = next;
    to[i] = (words[counter % 4]! >>> 8) / 2 ** 24; // 24 bits: exact in float32, and never 1
  }
}

/** A uniform integer in `0 .. below - 1`; the bias is under `below` / 2^32. */
export const uniformInt = (key: readonly [number, number], counter: number, below: number): number =>
  Math.floor((philox(key, counter)[0] / 4294967296) * below);
