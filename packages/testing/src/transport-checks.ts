// What the transport suite sends and how it compares: frames told by a seed, and checks that say what they found.
// No transport and no case in here.
import type { Frame } from "@orthant/core";

/** Scatters integers; not for cryptography. */
export const hash = (n: number): number => (Math.imul(n ^ (n >>> 15), 0x9e3779b1) ^ (n << 7)) >>> 1;

/** Copies the list in an order that depends on `seed`. */
export const shuffled = <T>(list: readonly T[], seed: number): T[] =>
  list
    .map((value, i) => ({ value, at: hash(hash(i + seed * 7919)) }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);

/** Makes `length` bytes that depend on `seed`. */
export function bytes(seed: number, length: number): Frame {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(seed + 1, 0x85ebca6b);
  return { dtype: "uint8", shape: [length], data: new Uint8Array(words.buffer, 0, length) };
}

export function equal(found: unknown, expected: unknown, what: string): void {
  if (found !== expected) throw new Error(`${what}: found ${found}, expected ${expected}`);
}

/** Throws at the first byte that differs; `what` names the bytes. */
export function same(found: Frame, expected: Frame, what = "frame"): void {
  equal(found.dtype, expected.dtype, `${what}: dtype`);
  equal(`${found.shape}`, `${expected.shape}`, `${what}: shape`);
  equal(found.data.byteLength, expected.data.byteLength, `${what}: bytes`);
  for (let i = 0; i < found.data.length; i++)
    if (found.data[i] !== expected.data[i]) equal(found.data[i], expected.data[i], `${what}: byte ${i}`);
}

type ErrorClass = new (...args: never[]) => Error;

/** Throws unless `promise` rejects with such a message, or with an error of such a class. */
export async function refused(promise: Promise<unknown>, expected: RegExp | ErrorClass): Promise<void> {
  const error = await promise.then(
    () => new Error("not refused"),
    (reason: unknown) => reason as Error,
  );
  const holds = expected instanceof RegExp ? expected.test(error.message) : error instanceof expected;
  const what = expected instanceof RegExp ? `a refusal that says ${expected}` : `a ${expected.name}`;
  if (!holds) throw new Error(`expected ${what}, found: ${error}`);
}

/** Throws where `done` takes longer than `patience` ms. */
export async function within(done: Promise<void>, patience: number, what: string): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${what}: not done after ${patience} ms`)), patience);
  await Promise.race([done, promise]).finally(() => clearTimeout(timer));
}
