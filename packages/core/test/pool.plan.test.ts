// The pool of received memory: what is given back is taken again, and what is not used any more makes room.
import { expect, it } from "vitest";
import { Pool } from "../src/transports/pool.ts";

const kib = 1024;

it("hands out again what was given back, of the same length", () => {
  const pool = new Pool(1024 * kib);
  const data = pool.take(100 * kib);
  pool.give(data);
  expect(pool.take(99 * kib)).not.toBe(data);
  expect(pool.take(100 * kib)).toBe(data);
  expect(pool.take(100 * kib)).not.toBe(data);
});

it("keeps no more than its limit, and lets go of the length that was given longest ago", () => {
  const pool = new Pool(400 * kib);
  const old = [pool.take(100 * kib), pool.take(100 * kib)];
  const used = pool.take(150 * kib);
  for (const data of [...old, used]) pool.give(data); // 350 KiB
  const fresh = pool.take(200 * kib);
  pool.give(fresh);
  expect(pool.take(200 * kib)).toBe(fresh);
  expect(pool.take(150 * kib)).toBe(used);
  const another = pool.take(100 * kib);
  for (const data of old) expect(another).not.toBe(data);
});

it("makes room among equals too, and keeps nothing larger than itself, smaller than fresh memory costs, or shared", () => {
  const pool = new Pool(200 * kib);
  const three = [1, 2, 3].map(() => new Uint8Array(100 * kib));
  for (const data of three) pool.give(data);
  const again = [1, 2, 3].map(() => pool.take(100 * kib));
  expect(again.filter((data) => three.some((one) => one === data))).toHaveLength(2);
  const others = [new Uint8Array(201 * kib), new Uint8Array(kib), new Uint8Array(new SharedArrayBuffer(100 * kib))];
  for (const data of others) pool.give(data);
  for (const data of others) expect(pool.take(data.length)).not.toBe(data);
});
