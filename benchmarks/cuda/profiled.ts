// A GPU whose every kernel is timed alone, one after the other: where a step's time goes. Slower than the step itself.
import type { Gpu } from "../../packages/backend-cuda/src/driver/gpu.ts";

interface Spent {
  calls: number;
  ms: number;
}

export interface Profiled extends Gpu {
  /** Begins to time; until then nothing is slower. */
  begin(): void;
  /** A line a kernel, the longest first, and their sum. */
  table(): string;
}

export function profiled(gpu: Gpu): Profiled {
  const spent = new Map<string, Spent>();
  let begun = false;
  const add = (name: string, ms: number): void => {
    const at = spent.get(name) ?? { calls: 0, ms: 0 };
    spent.set(name, { calls: at.calls + 1, ms: at.ms + ms });
  };
  const timed = (name: string, work: () => void): void => {
    if (begun) void gpu.time(work).then((ms) => add(name, ms));
    else work();
  };
  const line = (name: string, { calls, ms }: Spent): string =>
    `${ms.toFixed(3).padStart(9)} ms ${String(calls).padStart(5)} calls  ${name}`;
  const { attention } = gpu;
  return {
    ...gpu,
    compile(program) {
      const launch = gpu.compile(program);
      return (...args) => timed(program.name, () => launch(...args));
    },
    multiply(p, at) {
      const letters = `${p.transposeA ? "t" : "n"}${p.transposeB ? "t" : "n"}`;
      const name = `multiply ${p.batch} x ${p.m} ${p.n} ${p.k} ${letters} ${p.typeD} ${p.epilogue}`;
      timed(name, () => gpu.multiply(p, at));
    },
    attention: attention && {
      forward: (...args) => timed("attention", () => attention.forward(...args)),
      backward: (...args) => timed("attentionGrad", () => attention.backward(...args)),
    },
    copy: (...args) => timed("copy", () => gpu.copy(...args)),
    fill: (...args) => timed("fill", () => gpu.fill(...args)),
    begin() {
      begun = true;
    },
    table() {
      const sorted = [...spent].toSorted(([, a], [, b]) => b.ms - a.ms);
      const sum = sorted.reduce((total, [, { calls, ms }]) => ({ calls: total.calls + calls, ms: total.ms + ms }), {
        calls: 0,
        ms: 0,
      });
      return [...sorted.slice(0, 40).map(([name, at]) => line(name, at)), line("in all", sum)].join("\n");
    },
  };
}
