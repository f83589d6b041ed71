// Waiting for the GPU without blocking the thread: marks on the stream, asked after between other work of the event loop.
import { type Calls, out, result } from "./calls.ts";

interface Mark {
  readonly event: number;
  resolve(): void;
  reject(error: Error): void;
}

export interface Marks {
  /** Resolves when all that was asked of the stream until now is done. */
  passed(): Promise<void>;
  /** Time in ms that the stream takes for `work`; waits. */
  measure(work: () => void): number;
}

const [NO_TIMING, TIMING] = [2, 0];

export function marks(cuda: Calls, stream: number): Marks {
  const idle: number[] = [];
  const waiting: Mark[] = [];
  const event = (flags: number) => out((into) => cuda.eventCreate(into, flags));
  const [from, to] = [event(TIMING), event(TIMING)];

  const settle = (): boolean => {
    const head = waiting[0]!;
    const code = cuda.eventQuery(head.event);
    if (code === result.notReady) return false;
    waiting.shift();
    idle.push(head.event);
    if (code) head.reject(new Error(`device cuda: ${cuda.describe(code)}`));
    else head.resolve();
    return true;
  };

  const poll = (): void => {
    while (waiting.length && settle());
    if (waiting.length) setImmediate(poll);
  };

  return {
    passed() {
      const mark = idle.pop() ?? event(NO_TIMING);
      cuda.eventRecord(mark, stream);
      return new Promise((resolve, reject) => {
        waiting.push({ event: mark, resolve, reject });
        if (waiting.length === 1) setImmediate(poll);
      });
    },
    measure(work) {
      cuda.eventRecord(from, stream);
      work();
      cuda.eventRecord(to, stream);
      cuda.eventWait(to);
      const ms = [0];
      cuda.elapsed(ms, from, to);
      return ms[0]!;
    },
  };
}
