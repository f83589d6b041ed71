// A GPU whose every kernel is timed alone, one after the other: where a step's time goes, and what share of the card's peak each kernel
// reaches (Williams, Waterman, Patterson: Roofline, CACM 2009). Slower than the step itself.
import { writeFileSync } from "node:fs";
import type { Attention, Convolution, ConvolutionShape, Gpu, HeadShape, MatrixType, Program } from "./gpu.ts";
import { measureCopy, measureProduct, type Peaks, remembered } from "./peaks.ts";

/** What a call costs at least. */
interface Cost {
  /** Absent where it is not known. */
  readonly bytes?: number | undefined;
  readonly flops?: number;
  /** Operands whose products' rate is the peak. */
  readonly type?: MatrixType;
}

interface Spent {
  readonly calls: number;
  readonly ms: number;
  readonly flops: number;
  /** NaN where it is not known of some call. */
  readonly bytes: number;
  readonly type: MatrixType | undefined;
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
  /** Begins to time; until then nothing is slower. Measures what the card copies a second. */
  begin(): void;
  /** A line a kernel, the longest first, at most so many, and their sum, under a heading; what of the card's peak each reaches. */
  table(lines?: number): string;
  /** Writes what ran when, in the Trace Event Format. */
  writeTrace(path: string): void;
}

/** The higher of a kernel's shares of the two peaks, 0 to 1 and what is measured beyond; undefined where neither is known. */
function shareOf({ ms, flops, bytes, type }: Spent, peaks: Peaks): number | undefined {
  const rate = type && peaks.flops[type];
  const shares = [
    flops && rate ? (flops * 1000) / ms / rate : 0,
    peaks.bytes && bytes ? (bytes * 1000) / ms / peaks.bytes : 0,
  ];
  return Math.max(...shares.filter(Number.isFinite)) || undefined;
}

const percent = (share: number | undefined, digits: number): string =>
  share === undefined ? "" : `${(100 * share).toFixed(digits)} %`;

const line = (name: string, at: Spent, all: number, peaks?: Peaks): string => {
  const { calls, ms, flops } = at;
  const reached = peaks ? percent(shareOf(at, peaks), 0) : "";
  const rate = flops && peaks ? `  ${(flops / ms / 1e9).toFixed(0)} TFLOP/s` : "";
  return `${ms.toFixed(3).padStart(10)} ms ${percent(ms / all, 1).padStart(7)} ${String(calls).padStart(6)} calls ${reached.padStart(7)}  ${name}${rate}`;
};

const HEAD = "      time    of all         calls of peak  kernel";

/** What the shares are of, and how far they are to be believed. */
function legend({ bytes, flops }: Peaks): string[] {
  const rates = Object.entries(flops).map(([type, rate]) => `${(rate / 1e12).toFixed(0)} TFLOP/s of a ${type} product`);
  const copy = bytes ? [`${(bytes / 1e12).toFixed(2)} TB/s of a copy`] : [];
  if (!copy.length && !rates.length) return [];
  return [
    `of peak: the highest share of ${[...copy, ...rates].join(", ")}, measured on this card. Bytes are those of the tensors that a kernel`,
    "is handed, each once: of a table all, though some rows are read. Timing a launch adds 5 to 10 us, which hides short kernels' rates.",
  ];
}

type Timed = (name: string, cost: Cost, work: () => void) => void;

/** The same methods, each timed under its name. */
function each<T extends object, Shape>(
  library: T | undefined,
  prefix: string,
  timed: Timed,
  costOf: (name: string, shape: Shape) => Cost,
): T | undefined {
  if (!library) return undefined;
  const wrap =
    (name: string, call: (...args: unknown[]) => unknown) =>
    (...args: unknown[]) => {
      let result: unknown;
      timed(`${prefix} ${name}`, costOf(name, args[0] as Shape), () => {
        result = call(...args);
      });
      return result;
    };
  return Object.fromEntries(Object.entries(library).map(([name, call]) => [name, wrap(name, call)])) as T;
}

/** Two products of the lower half of T x T forward, five backward. */
const attentionCost = (name: string, { B, T, H, K }: HeadShape): Cost => ({
  flops: (name === "forward" ? 2 : 5) * B * H * T * T * K,
  type: "bf16",
});

const convolutionCost = (_: string, { B, C, F, output, filter }: ConvolutionShape): Cost => ({
  flops: 2 * B * C * F * output[0] * output[1] * filter[0] * filter[1],
  type: "f32",
});

/** What is spent by kernel, and when. */
function ledger(localRank: number) {
  const spent = new Map<string, Spent>();
  const slices: Slice[] = [];
  const none: Spent = { calls: 0, ms: 0, flops: 0, bytes: 0, type: undefined };
  return {
    spent,
    slices,
    add(name: string, { bytes = Number.NaN, flops = 0, type }: Cost, ms: number, from: number): void {
      const at = spent.get(name) ?? none;
      const sums = { calls: at.calls + 1, ms: at.ms + ms, flops: at.flops + flops, bytes: at.bytes + bytes };
      spent.set(name, { ...sums, type });
      if (slices.length < MOST_SLICES)
        slices.push({ name, ph: "X", pid: "GPU", tid: localRank, ts: Math.round(from * 1000), dur: ms * 1000 });
    },
    table(lines: number, peaks: Peaks): string {
      const sorted = [...spent].toSorted(([, a], [, b]) => b.ms - a.ms);
      const total = (of: "calls" | "ms") => sorted.reduce((sum, [, at]) => sum + at[of], 0);
      const sum = { ...none, calls: total("calls"), ms: total("ms") };
      const rows = sorted.slice(0, lines).map(([name, at]) => line(name, at, sum.ms, peaks));
      return [HEAD, ...rows, line("in all", sum, sum.ms), ...legend(peaks)].join("\n");
    },
  };
}

/** Places of a program's pointers among its parameters. */
const pointers = ({ takes }: Program): number[] => [...takes].flatMap((letter, i) => (letter === "p" ? [i] : []));

export function profiled(inner: Gpu, localRank = 0): Profiled {
  const { gpu, bytesAt } = remembered(inner);
  const { add, slices, table } = ledger(localRank);
  const peaks: Peaks = { flops: {} };
  const measured = new Set<MatrixType>();
  let begun = false;
  const timed: Timed = (name, cost, work) => {
    if (!begun) return work();
    const { type } = cost;
    if (type && !measured.has(type)) measureProduct(inner, type, peaks);
    if (type) measured.add(type);
    const from = performance.now();
    void gpu.time(work).then((ms) => add(name, cost, ms, from));
  };
  return {
    ...gpu,
    compile(program) {
      const launch = gpu.compile(program);
      const places = pointers(program);
      const { name, blockBytes } = program;
      const bytesOf = (x: number, values: readonly number[]): number | undefined =>
        blockBytes ? blockBytes * x : bytesAt(places.map((i) => values[i]!));
      return (x, y, threads, ...values) =>
        timed(name, { bytes: begun ? bytesOf(x, values) : 0 }, () => launch(x, y, threads, ...values));
    },
    multiply(p, at) {
      const letters = `${p.transposeA ? "t" : "n"}${p.transposeB ? "t" : "n"}`;
      const name = `multiply ${p.batch} x ${p.m} ${p.n} ${p.k} ${letters} ${p.typeD} ${p.epilogue}`;
      const bytes = begun ? bytesAt(Object.values(at)) : 0;
      timed(name, { bytes, flops: 2 * p.batch * p.m * p.n * p.k, type: p.typeAB }, () => gpu.multiply(p, at));
    },
    attention: each<Attention, HeadShape>(gpu.attention, "attention", timed, attentionCost),
    convolution: each<Convolution, ConvolutionShape>(gpu.convolution, "convolution", timed, convolutionCost),
    copy: (to, from, bytes) => timed("copy", { bytes: 2 * bytes }, () => gpu.copy(to, from, bytes)),
    fill: (to, word, count) => timed("fill", { bytes: 4 * count }, () => gpu.fill(to, word, count)),
    begin() {
      measureCopy(inner, peaks);
      begun = true;
    },
    table: (lines = 40) => table(lines, peaks),
    writeTrace: (path) => writeFileSync(path, JSON.stringify(slices)),
  };
}
