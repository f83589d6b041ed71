// Transports of a rank that something happens to, or that tells more: each wraps another and keeps its contract.
import type { Endpoint, Frame } from "@orthant/core";
import { atOfKey, callOfKey, messageKey, world } from "@orthant/core/transport-kit";
import type { Job } from "./job.ts";

const control = messageKey(world, "control");
/** The key of the exchange that ends a step. */
const endOf = (step: number): string => messageKey(world, "control", `step ${step}`);

/** Says each step as it ends. */
export const told = (inner: Endpoint): Endpoint => ({
  ...inner,
  send(to, key, frame) {
    if (callOfKey(key) === control) console.log(atOfKey(key));
    return inner.send(to, key, frame);
  },
});

/** Never enters what `opening` opens. */
export function hung(inner: Endpoint, opening: string): Endpoint {
  const enter = async (key: string): Promise<void> => {
    if (key.startsWith(opening)) await new Promise((go) => setTimeout(go, 1e6));
  };
  return {
    ...inner,
    send: (to, key, frame) => enter(key).then(() => inner.send(to, key, frame)),
    recv: (from, key) => enter(key).then(() => inner.recv(from, key)),
  };
}

/** Blocks this thread at the end of step 2. */
export const blocked = (inner: Endpoint, ms: number): Endpoint => ({
  ...inner,
  send(to, key, frame) {
    if (key === endOf(2)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    return inner.send(to, key, frame);
  },
});

function ballastOf(rank: number, index: number, bytes: number): Frame {
  const data = new Uint8Array(bytes).fill(rank * 16 + index);
  return { dtype: "uint8", shape: [bytes], data };
}

/** From the end of step 2 on: frames to one rank, which checks each and says so. */
export function ballasted(inner: Endpoint, { rank, frames, bytes }: NonNullable<Job["ballast"]>): Endpoint {
  const key = (i: number): string => messageKey(world, "ballast", `${i}`);
  const give = async (): Promise<void> => {
    for (let i = 0; i < frames; i++) await inner.send([rank], key(i), ballastOf(inner.rank, i, bytes));
  };
  const take = async (): Promise<void> => {
    for (let i = 0; i < frames; i++)
      for (let from = 0; from < inner.size; from++) {
        if (from === rank) continue;
        const { data } = await inner.recv(from, key(i));
        if (Buffer.compare(data, ballastOf(from, i, bytes).data) !== 0) throw new Error(`${key(i)}: other bytes`);
        inner.recycle?.(data);
      }
    console.log(`ballast ${frames * (inner.size - 1) * bytes} bytes`);
  };
  let done: Promise<void> | undefined;
  return {
    ...inner,
    send(to, key, frame) {
      if (key === endOf(2)) done ??= inner.rank === rank ? take() : give();
      return inner.send(to, key, frame);
    },
    close: (failure) =>
      failure === undefined ? (done ?? Promise.resolve()).then(() => inner.close()) : inner.close(failure),
  };
}
