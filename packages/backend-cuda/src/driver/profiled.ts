// A GPU whose every kernel is timed alone, one after the other: where a step's time goes. Slower than the step itself.
import { writeFileSync } from "node:fs";
import type { Attention, Convolution, Gpu } from "./gpu.ts";

interface Spent {
  calls: number;
  ms: number;
  flops: number;
}

/** A slice of a trace for https://ui.perfetto.dev: microseconds on the clock of `performance`. */
interface Slice {
  readonly name: string;
  readonly ph: "X";
  readonly pid: "GPU";
  readonly tid: number;
  readonly ts: number;
  readonly dur: number;
}

/** Slices that a trace has at most: what a browser opens at once. */
const MOST_SLICES = 200_000;

export interface Profiled extends Gpu {
  /** Begins to time; until then nothing is slower. */
  begin(): void;
  /** A line a kernel, the longest first, at most so many, and their sum; products with what they reach. */
  table(lines?: number): string;
  /** Writes what ran when, in the Trace Event Format. */
  writeTrace(path: string): void;
}

const line = (name: string, { calls, ms, flops }: Spent, all: number): string => {
  const share = `${((100 * ms) / all).toFixed(1)} %`.padStart(7);
  const rate = flops ? `  ${(flops / ms / 1e9).toFixed(0)} TFLOP/s` : "";
  return `${ms.toFixed(3).padStart(10)} ms ${share} ${String(calls).padStart(6)} calls  ${name}${rate}`;
};

type Timed = (name: string, flops: number, work: () => void) => void;

/** The same methods, each timed under its name. */
function each<T extends object>(library: T | undefined, prefix: string, timed: Timed): T | undefined {
  if (!library) return undefined;
  const wrap =
    (name: string, call: (...args: unknown[]) => unknown) =>
    (...args: unknown[]) => {
      let result: unknown;
      timed(`${prefix} ${name}`, 0, () => {
        result = call(...args);
      });
      return result;
    };
  return Object.fromEntries(Object.entries(library).map(([name, call]) => [name, wrap(name, call)])) as T;
}

export function profiled(gpu: Gpu, localRank = 0): Profiled {
  const spent = new Map<string, Spent>();
  const slices: Slice[] = [];
  let begun = false;
  const add = (name: string, flops: number, ms: number, from: number): void => {
    const at = spent.get(name) ?? { calls: 0, ms: 0, flops: 0 };
    spent.set(name, { calls: at.calls + 1, ms: at.ms + ms, flops: at.flops + flops });
    if (slices.length < MOST_SLICES)
      slices.push({ name, ph: "X", pid: "GPU", tid: localRank, ts: Math.round(from * 1000), dur: ms * 1000 });
  };
  const timed: Timed = (name, flops, work) => {
    if (!begun) return work();
    const from = performance.now();
    void gpu.time(work).then((ms) => add(name, flops, ms, from));
  };
  return {
    ...gpu,
    compile(program) {
      const launch = gpu.compile(program);
      return (...args) => timed(program.name, 0, () => launch(...args));
    },
    multiply(p, at) {
      const letters = `${p.transposeA ? "t" : "n"}${p.transposeB ? "t" : "n"}`;
      const name = `multiply ${p.batch} x ${p.m} ${p.n} ${p.k} ${letters} ${p.typeD} ${p.epilogue}`;
      timed(name, 2 * p.batch * p.m * p.n * p.k, () => gpu.multiply(p, at));
    },
    attention: each<Attention>(gpu.attention, "attention", timed),
    convolution: each<Convolution>(gpu.convolution, "convolution", timed),
    copy: (...args) => timed("copy", 0, () => gpu.copy(...args)),
    fill: (...args) => timed("fill", 0, () => gpu.fill(...args)),
    begin() {
      begun = true;
    },
    table(lines = 40) {
      const sorted = [...spent].toSorted(([, a], [, b]) => b.ms - a.ms);
      const sum = { calls: 0, ms: 0, flops: 0 };
      for (const { calls, ms } of spent.values()) Object.assign(sum, { calls: sum.calls + calls, ms: sum.ms + ms });
      return [...sorted.slice(0, lines).map(([name, at]) => line(name, at, sum.ms)), line("in all", sum, sum.ms)].join(
        "\n",
      );
    },
    writeTrace: (path) => writeFileSync(path, JSON.stringify(slices)),
  };
}
