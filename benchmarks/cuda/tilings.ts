// Which tiling of our own attention kernels is the fastest on this card: each of a list is checked against the library, then timed.
// `node benchmarks/cuda/tilings.ts LIST.json`, of [kernel, K, m, warps, step, held, blocks]. Prints a line each, the fastest first.
import { readFileSync } from "node:fs";
import { openGpu } from "../../packages/backend-cuda/src/driver/cuda.ts";
import type { Attention, HeadShape } from "../../packages/backend-cuda/src/driver/gpu.ts";
import { allocator } from "../../packages/backend-cuda/src/memory/allocator.ts";
import { flash, rowsOf } from "../../packages/backend-cuda/src/sources/flash.ts";
import { flashKeys, flashQueries } from "../../packages/backend-cuda/src/sources/flash-grad.ts";

const sources = { flash, flashQueries, flashKeys };
type Kernel = keyof typeof sources;
type Row = [kernel: Kernel, K: number, m: number, warps: number, step: number, held: number, blocks: number];
const list = JSON.parse(readFileSync(process.argv[2]!, "utf8")) as Row[];
const gpu = openGpu({ compute: "bf16" });
const memory = allocator(gpu);
const library = gpu.attention as Attention;

const headsOf = (K: number): HeadShape =>
  K === 64
    ? { B: 16, T: 1024, H: 12, K, row: 3 * 12 * K, type: "bf16" }
    : { B: 4, T: 4096, H: 16, K, row: 3 * 16 * K, type: "bf16" };

/** Median ms of one of ten calls in a row. */
async function msOf(run: () => void): Promise<number> {
  const found: number[] = [];
  for (let i = 0; i < 5; i++) {
    const work = () => {
      for (let k = 0; k < 10; k++) run();
    };
    found.push((await gpu.time(work)) / 10);
  }
  return found.toSorted((a, b) => a - b)[2]!;
}

const drawn = Uint16Array.from({ length: 1 << 20 }, () => {
  const word = new Uint32Array(Float32Array.of(2 * Math.random() - 1).buffer)[0]!;
  return word >>> 16;
});

/** bf16 numbers in -1 .. 1. */
function filled(n: number): number {
  const at = memory.take(2 * n, "numbers");
  for (let i = 0; i < n; i += drawn.length)
    gpu.upload(at + 2 * i, new Uint8Array(drawn.buffer, 0, 2 * Math.min(drawn.length, n - i)));
  return at;
}

/** The first and the last million of n bf16 numbers. */
function sample(address: number, n: number): Float32Array {
  const half = new Uint16Array(1 << 20);
  const parts = [0, n - half.length].map((from) => {
    gpu.download(new Uint8Array(half.buffer), address + 2 * from);
    return Uint32Array.from(half, (x) => x << 16);
  });
  return new Float32Array(Uint32Array.from([...parts[0]!, ...parts[1]!]).buffer);
}

/** ||found - expected|| / ||expected|| of those whose place among them passes. */
function apart(found: Float32Array, expected: Float32Array, counts: (i: number) => boolean): number {
  let [far, size] = [0, 0];
  for (let i = 0; i < found.length; i++)
    if (counts(i)) {
      far += (found[i]! - expected[i]!) ** 2;
      size += expected[i]! ** 2;
    }
  return Math.sqrt(far / size);
}

async function measure(K: number): Promise<void> {
  const shape = headsOf(K);
  const { B, T, H, row } = shape;
  const [wide, narrow] = [B * T * row, B * T * H * K];
  const [qkv, dqkv, dy, y] = [filled(wide), filled(wide), filled(narrow), filled(narrow)];
  const [lse, delta] = [memory.take(4 * B * T * H, "sums"), memory.take(4 * B * T * H, "sums")];
  const three = (at: number) => [at, at + 2 * H * K, at + 4 * H * K] as const;
  const [[q, k, v], [dq, dk, dv]] = [three(qkv), three(dqkv)];
  const scale = 1 / Math.sqrt(K);
  const flops = 2 * B * H * T * T * K;
  const forward = () => library.forward(shape, scale, memory, { q, k, v, y, lse });
  const backward = () => library.backward(shape, scale, memory, { dy, q, k, v, y, lse, dq, dk, dv });
  const [there, back] = [await msOf(forward), await msOf(backward)];
  const rate = (ms: number, times: number) => `${ms.toFixed(4)} ms, ${((times * flops) / ms / 1e9).toFixed(0)} TFLOP/s`;
  console.log(`K ${K}, the library: ${rate(there, 1)}; its gradients: ${rate(back, 2.5)}`);
  const expected = { y: sample(y, narrow), dqkv: sample(dqkv, wide) };
  const column = (i: number) => (i < 1 << 20 ? i : wide - (1 << 21) + i) % row;
  for (const kernel of ["flash", "flashQueries", "flashKeys"] as const) {
    const lines: [number, string][] = [];
    for (const entry of list.filter((each) => each[0] === kernel && each[1] === K)) {
      const [, , m, warps, step, held, blocks] = entry;
      const tiling = { m, warps, step, held: !!held, blocks };
      const name = `${kernel}_${entry.slice(1).join("_")}`;
      const launch = gpu.compile({ name, ...sources[kernel](name, K, "bf16", tiling) });
      const grid = [Math.ceil(T / rowsOf(tiling)), B * H, 32 * warps] as const;
      const run = {
        flash: () => launch(...grid, q, k, v, y, lse, T, H, row, scale),
        flashQueries: () => launch(...grid, dy, q, k, v, y, lse, delta, dq, T, H, row, scale),
        flashKeys: () => launch(...grid, dy, q, k, v, lse, delta, dk, dv, T, H, row, scale),
      }[kernel];
      if (kernel === "flash") gpu.fill(y, 0xffffffff, narrow / 2);
      else gpu.fill(dqkv, 0xffffffff, wide / 2);
      run();
      gpu.wait();
      const error = {
        flash: () => apart(sample(y, narrow), expected.y, () => true),
        flashQueries: () => apart(sample(dqkv, wide), expected.dqkv, (i) => column(i) < H * K),
        flashKeys: () => apart(sample(dqkv, wide), expected.dqkv, (i) => column(i) >= H * K),
      }[kernel]();
      const ms = await msOf(run);
      lines.push([ms, `${error < 1e-2 ? "" : "WRONG "}${name} ${ms.toFixed(4)} ms, error ${error.toExponential(1)}`]);
    }
    const sorted = lines.toSorted((a, b) => a[0] - b[0]).map(([, line]) => line);
    console.log([...sorted.slice(0, 16), ...sorted.slice(16).filter((line) => line.startsWith("WRONG"))].join("\n"));
  }
}

await measure(64);
await measure(128);
process.exit(0);
