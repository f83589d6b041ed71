// An endpoint that counts the bytes it is asked to send, by mesh axis. Once per receiver, as formulas do.
import type { Endpoint } from "./endpoint.ts";
import { axisOfKey } from "./key.ts";

/** Wraps `inner`; `sent` maps the axis that a key opens with (`tp.all-reduce ...`) to payload bytes. */
export function counted(inner: Endpoint): { endpoint: Endpoint; sent: Record<string, number> } {
  const sent: Record<string, number> = {};
  const endpoint: Endpoint = {
    rank: inner.rank,
    size: inner.size,
    send(to, key, frame) {
      const axis = axisOfKey(key);
      sent[axis] = (sent[axis] ?? 0) + to.length * frame.data.byteLength;
      return inner.send(to, key, frame);
    },
    recv: (from, key) => inner.recv(from, key),
    close: (failure) => inner.close(failure),
    recycle: (data) => inner.recycle?.(data),
  };
  return { endpoint, sent };
}
