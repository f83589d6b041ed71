// A transport that counts the bytes it is asked to send, by mesh axis. Once per receiver, as formulas do.
import type { Transport } from "./transport.ts";

/** Wraps `inner`; `sent` maps the axis that a key opens with (`tp.all-reduce ...`) to payload bytes. */
export function counted(inner: Transport): { transport: Transport; sent: Record<string, number> } {
  const sent: Record<string, number> = {};
  const transport: Transport = {
    rank: inner.rank,
    size: inner.size,
    send(to, key, frame) {
      const axis = key.slice(0, key.indexOf("."));
      sent[axis] = (sent[axis] ?? 0) + to.length * frame.data.byteLength;
      return inner.send(to, key, frame);
    },
    recv: (from, key) => inner.recv(from, key),
    close: (failure) => inner.close(failure),
    recycle: (data) => inner.recycle?.(data),
  };
  return { transport, sent };
}
