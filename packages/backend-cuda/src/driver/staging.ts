// Pinned memory through which small values pass: the driver copies from and to it without waiting. A ring for what is sent, a
// list of slots for what is read.
import { memoryAt } from "../library/load.ts";
import { type Calls, out } from "./calls.ts";

/** Bytes up to which a value passes through here: larger ones the driver copies straight from the caller's memory. */
export const SMALL = 64 * 1024;

const RING = 8 * 1024 * 1024;

/** A piece of pinned memory, as this process and as the driver see it. */
export interface Slot {
  readonly bytes: Uint8Array;
  readonly address: number;
}

export interface Staging {
  /** A place for at most `SMALL` bytes to be sent. `wait` is called when the ring begins anew: all that was sent must have arrived. */
  next(bytes: number): Slot;
  /** A place for at most `SMALL` bytes to be read into, until given back. */
  take(): Slot;
  give(slot: Slot): void;
  close(): void;
}

function pinned(cuda: Calls, size: number): Slot {
  const address = out((into) => cuda.hostAllocate(into, size, 1));
  return { address, bytes: new Uint8Array(memoryAt(address, size)) };
}

export function staging(cuda: Calls, wait: () => void): Staging {
  const ring = pinned(cuda, RING);
  const slots: Slot[] = [];
  const all: Slot[] = [ring];
  let at = 0;
  const make = (): Slot => {
    const slot = pinned(cuda, SMALL);
    all.push(slot);
    return slot;
  };
  return {
    next(bytes) {
      if (at + bytes > RING) {
        wait();
        at = 0;
      }
      const slot = { address: ring.address + at, bytes: ring.bytes.subarray(at, at + bytes) };
      at += Math.ceil(bytes / 256) * 256;
      return slot;
    },
    take: () => slots.pop() ?? make(),
    give: (slot) => void slots.push(slot),
    close: () => {
      for (const { address } of all) cuda.hostFree(address);
    },
  };
}
