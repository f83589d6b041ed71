// What a card reaches at best, measured on it: the bytes/s of a copy and the FLOP/s of a large product. And what a kernel is handed, in
// bytes, from the blocks of memory that it gets addresses of.
import type { Gpu, MatrixType, Program } from "./gpu.ts";

/** Rates that a card reaches, a second. Absent where there was no memory to measure with. */
export interface Peaks {
  /** Bytes read and written by a copy. */
  bytes?: number;
  /** FLOP of a product of square matrices, by the type of its operands. */
  readonly flops: Partial<Record<MatrixType, number>>;
}

const COPIED = 2 ** 28;
const SIDE = 8192;
const TIMES = 3;

/** Numbers of every sign and mantissa between 0.5 and 1, as float32 and as pairs of bf16: products of zeros are faster. */
const noise: Program = {
  name: "noise",
  takes: "pi",
  source: `
extern "C" __global__ void noise(u32* y, int n) {
  u32 i = blockIdx.x * 256u + threadIdx.x, h = i * 2654435761u;
  h ^= h >> 15;
  h *= 2246822519u;
  h ^= h >> 13;
  if (i < n) y[i] = (h & 0x807f807fu) | 0x3f003f00u;
}`,
};

/** Runs `use` with blocks of memory, where there are as many. */
function withBlocks(gpu: Gpu, sizes: readonly number[], use: (blocks: readonly number[]) => Promise<void>): void {
  const blocks = sizes.map((size) => gpu.allocate(size));
  const give = (): void => {
    for (const block of blocks) if (block) gpu.free(block);
  };
  if (blocks.every(Boolean)) void use(blocks).then(give);
  else give();
}

/** The least ms of some runs, after one that counts for nothing. */
async function least(gpu: Gpu, work: () => void): Promise<number> {
  const found = await Promise.all(Array.from({ length: TIMES + 1 }, () => gpu.time(work)));
  return Math.min(...found.slice(1));
}

/** Measures a copy's rate into `peaks`: 2 x 256 MiB. */
export function measureCopy(gpu: Gpu, peaks: Peaks): void {
  withBlocks(gpu, [COPIED, COPIED], async ([to, from]) => {
    const ms = await least(gpu, () => gpu.copy(to!, from!, COPIED));
    peaks.bytes = (2 * COPIED * 1000) / ms;
  });
}

const square = { m: SIDE, n: SIDE, k: SIDE, transposeA: false, transposeB: false, batch: 1, strideA: 0, strideB: 0 };

/** Measures the rate of a product of 8192 x 8192 matrices of a type into `peaks`. */
export function measureProduct(gpu: Gpu, type: MatrixType, peaks: Peaks): void {
  const words = (SIDE * SIDE * (type === "bf16" ? 2 : 4)) / 4;
  withBlocks(gpu, [4 * words, 4 * words, 4 * words], async ([a, b, d]) => {
    const fill = gpu.compile(noise);
    for (const block of [a!, b!]) fill(words / 256, 1, 256, block, words);
    const product = { ...square, typeAB: type, typeD: type, epilogue: "none" } as const;
    const ms = await least(gpu, () => gpu.multiply(product, { a: a!, b: b!, bias: 0, beside: 0, d: d! }));
    peaks.flops[type] = (2 * SIDE ** 3 * 1000) / ms;
  });
}

/** Sizes of the blocks that a GPU gave out, by address. */
export interface Blocks {
  readonly gpu: Gpu;
  /** Bytes of the blocks at these addresses, each once; undefined where one is none's. */
  bytesAt(addresses: readonly number[]): number | undefined;
}

/** The same GPU, which remembers the blocks that it gives out. */
export function remembered(gpu: Gpu): Blocks {
  const sizes = new Map<number, number>();
  const allocate: Gpu["allocate"] = (bytes) => {
    const address = gpu.allocate(bytes);
    if (address) sizes.set(address, bytes);
    return address;
  };
  const free: Gpu["free"] = (address) => {
    sizes.delete(address);
    gpu.free(address);
  };
  const bytesAt = (addresses: readonly number[]): number | undefined => {
    let sum = 0;
    for (const address of new Set(addresses)) {
      const bytes = address ? sizes.get(address) : 0;
      if (bytes === undefined) return undefined;
      sum += bytes;
    }
    return sum;
  };
  return { gpu: { ...gpu, allocate, free }, bytesAt };
}
