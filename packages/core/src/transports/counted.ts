// An endpoint that counts the bytes it is asked to send, by mesh axis. Once per receiver, as formulas do.
import type { Endpoint } from "./endpoint.ts";
import { axisOfKey } from "./key.ts";

/** Wraps `inner`; `sent` maps each axis that a key names to the payload bytes sent so far, once a receiver. */
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
    ...(inner.group && { group: inner.group.bind(inner) }),
  };
  return { endpoint, sent };
}
