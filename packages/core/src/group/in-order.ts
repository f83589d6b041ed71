// Calls in program order: for groups of a device that matches calls by their order alone, as NCCL does, and for tests.
import type { Group } from "./group.ts";

/**
 * Wraps a group so that its calls start one after the other in the order they are made, each when the one before has settled.
 * All members must make the same calls in the same order. A call that waits for a later one of this member, such as a `recv` of
 * what is sent after it, waits for ever.
 */
export function inOrder(group: Group): Group {
  let last: Promise<unknown> = Promise.resolve();
  const queued = <T>(call: () => Promise<T>): Promise<T> => {
    const next = last.then(call);
    last = next.catch(() => {}); // the caller hears of it
    return next;
  };
  return {
    axis: group.axis,
    rank: group.rank,
    size: group.size,
    allReduce: (xs, at) => queued(() => group.allReduce(xs, at)),
    reduceScatter: (xs, at) => queued(() => group.reduceScatter(xs, at)),
    allGather: (chunks, shapes, at) => queued(() => group.allGather(chunks, shapes, at)),
    exchange: (parts, at) => queued(() => group.exchange(parts, at)),
    send: (to, x, at) => queued(() => group.send(to, x, at)),
    recv: (from, at) => queued(() => group.recv(from, at)),
  };
}
