// The allocator over a small driver that counts: blocks come back by size, and out of memory gives back before it refuses.
import { expect, test } from "vitest";
import { allocator, blockSize } from "../src/memory/allocator.ts";

const MIB = 2 ** 20;

/** A device of so many bytes. */
function device(total: number) {
  const held = new Map<number, number>();
  let [next, used, calls] = [4096, 0, 0];
  return {
    held,
    calls: () => calls,
    allocate(bytes: number): number {
      calls++;
      if (used + bytes > total) return 0;
      used += bytes;
      next += bytes;
      held.set(next, bytes);
      return next;
    },
    free(address: number): void {
      used -= held.get(address)!;
      held.delete(address);
    },
    memory: () => ({ free: total - used, total }),
  };
}

test("blocks are steps of 512 bytes, and of 2 MiB from 1 MiB on", () => {
  expect([1, 512, 513, MIB - 1, MIB, 2 * MIB + 1].map(blockSize)).toEqual([512, 512, 1024, MIB, 2 * MIB, 4 * MIB]);
});

test("the lowest address goes first, in whatever order blocks came back", () => {
  const memory = allocator(device(8 * MIB));
  const all = [1, 2, 3, 4, 5].map(() => memory.take(512, "one"));
  for (const i of [3, 0, 4, 1, 2]) memory.give(all[i]!, 512);
  expect(all.map(() => memory.take(512, "again"))).toEqual(all.toSorted((a, b) => a - b));
});

test("a block given back serves the next of its size, without the driver", () => {
  const driver = device(8 * MIB);
  const memory = allocator(driver);
  const first = memory.take(1000, "a");
  memory.give(first, 1000);
  expect(memory.take(1024, "b")).toBe(first);
  expect(driver.calls()).toBe(1);
});

test("counters tell bytes in tensors, their peak, and what is held for later", () => {
  const memory = allocator(device(8 * MIB));
  const [a, b] = [memory.take(512, "a"), memory.take(1024, "b")];
  memory.give(a, 512);
  expect(memory.counters()).toEqual({ used: 1024, peak: 1536, held: 1536, allocations: 2 });
  memory.give(b, 1024);
  memory.resetPeak();
  expect(memory.counters()).toEqual({ used: 0, peak: 0, held: 1536, allocations: 2 });
  memory.trim();
  expect(memory.counters().held).toBe(0);
});

test("where the driver has nothing left, lists are given back first", () => {
  const driver = device(4 * MIB);
  const memory = allocator(driver);
  memory.give(memory.take(2 * MIB, "a"), 2 * MIB);
  memory.take(4 * MIB, "b");
  expect([...driver.held.values()]).toEqual([4 * MIB]);
});

test("out of memory names the tensor and the bytes asked for, held and free, and is no end", () => {
  const memory = allocator(device(4 * MIB));
  const address = memory.take(2 * MIB, "a");
  expect(() => memory.take(3 * MIB, "float32", [768, 1024])).toThrow(
    "a tensor [768,1024] of float32 asks for 4.0 MiB; 2.0 MiB are held by tensors, 2.0 MiB of 4.0 MiB are free",
  );
  memory.give(address, 2 * MIB);
  expect(memory.take(3 * MIB, "b")).toBeGreaterThan(0);
});
