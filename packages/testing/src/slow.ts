// Transports that disturb: slow links, random delays. For `memory({ wrap })`; frames arrive whole and unchanged, only later.
import { type Endpoint, type Frame, randomKey, uniformInt } from "@orthant/core";

/** Delay and bandwidth that links are given. */
export interface SlowLinks {
  readonly bytesPerSecond: number;
  /** Names the link from one rank to another; what shares a link waits in line. Undefined for one that is not slow. */
  link(from: number, to: number): string | undefined;
}

/** Resolves to when `ms` have passed; at once for none. */
const pause = (ms: number): Promise<void> | undefined =>
  ms > 0 ? new Promise((resolve) => setTimeout(resolve, ms)) : undefined;

/** Sends each receiver its own message, `later`. What `close` ends has left first. */
function delayedBy(
  inner: Endpoint,
  later: (to: number, key: string, frame: Frame) => Promise<void> | undefined,
): Endpoint {
  const leaving = new Set<Promise<void>>();
  const deliver = async (to: number, key: string, frame: Frame): Promise<void> => {
    await later(to, key, frame);
    await inner.send([to], key, frame);
  };
  const tracked = (sent: Promise<void>): Promise<void> => {
    leaving.add(sent);
    const gone = () => void leaving.delete(sent);
    sent.then(gone, gone);
    return sent;
  };
  return {
    ...inner,
    send: async (to, key, frame) => {
      await Promise.all(to.map((rank) => tracked(deliver(rank, key, frame))));
    },
    async close(failure) {
      if (!failure) await Promise.allSettled(leaving);
      return inner.close(failure);
    },
  };
}

/**
 * Makes a wrapper for all endpoints of a run, over links that carry one message after the other at `bytesPerSecond`. A message
 * leaves when it is sent or when its link is free, and is there when its last byte is; a sender waits until then.
 */
export function slowed({ bytesPerSecond, link }: SlowLinks): (inner: Endpoint) => Endpoint {
  const freeAt = new Map<string, number>();
  return (inner) =>
    delayedBy(inner, (to, _, { data }) => {
      const name = link(inner.rank, to);
      if (name === undefined) return undefined;
      const now = performance.now();
      const there = Math.max(now, freeAt.get(name) ?? 0) + (1000 * data.byteLength) / bytesPerSecond;
      freeAt.set(name, there);
      return pause(there - now);
    });
}

/** Makes a wrapper that delays each message by up to `most` ms, by seed, ranks and key: frames overtake each other. */
export function delayed(seed: number, most = 4): (inner: Endpoint) => Endpoint {
  return (inner) =>
    delayedBy(inner, (to, key) => pause(uniformInt(randomKey(seed, `${inner.rank} to ${to} ${key}`), 0, most + 1)));
}
