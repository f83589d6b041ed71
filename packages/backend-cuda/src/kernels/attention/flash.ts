// Causal attention by this package's own tensor-core kernels, in the place of a library: where there is no cuDNN.
import type { CudaBackend } from "../../backend/backend.ts";
import type { Attention, Launch } from "../../driver/gpu.ts";
import { flash } from "../../sources/flash.ts";
import { flashKeys, flashQueries } from "../../sources/flash-grad.ts";
import { rowsOf, THREADS, type Tiling } from "../../sources/flash-tiles.ts";
import type { Half } from "../../sources/mma.ts";
import { blocks } from "../dims.ts";

/** How the three kernels are cut. */
interface Tilings {
  readonly forward: Tiling;
  readonly queries: Tiling;
  readonly keys: Tiling;
}

/** The fastest of some eighty tried on one H100 for heads of 64 and of 128: what registers and 99 KiB of shared memory leave room for. */
const tilingsOf = (K: number): Tilings =>
  K <= 64
    ? { forward: { m: 2, step: 128 }, queries: { m: 2, step: 64 }, keys: { m: 2, step: 32 } }
    : { forward: { m: 2, step: 64 }, queries: { m: 2, step: 32 }, keys: { m: 1, step: 64 } };

type Source = typeof flash;

/** Attention over heads whose width is a multiple of 8, at most 128, and a scale above 0. */
export function flashAttention(b: CudaBackend): Attention {
  const kernel = (prefix: string, source: Source, K: number, type: Half, tiling: Tiling): Launch => {
    const name = `${prefix}_${K}_${type}`;
    return b.program(name, () => source(name, K, type, tiling));
  };
  return {
    forward({ B, T, H, K, row, type }, scale, _, { q, k, v, y, lse }) {
      const { forward: tiling } = tilingsOf(K);
      const launch = kernel("flash", flash, K, type, tiling);
      launch(B * H, blocks(T, rowsOf(tiling)), THREADS, q, k, v, y, lse, T, H, row, scale);
    },
    backward({ B, T, H, K, row, type }, scale, scratch, { dy, q, k, v, y, lse, dq, dk, dv }) {
      const { queries, keys } = tilingsOf(K);
      const bytes = 8 * B * H * T;
      const numbers = scratch.take(bytes, "attention's row sums");
      const byQueries = kernel("flashQueries", flashQueries, K, type, queries);
      const byKeys = kernel("flashKeys", flashKeys, K, type, keys);
      const rest = [T, H, row, scale] as const;
      byQueries(B * H, blocks(T, rowsOf(queries)), THREADS, dy, q, k, v, y, lse, numbers, dq, ...rest);
      byKeys(B * H, blocks(T, rowsOf(keys)), THREADS, dy, q, k, v, numbers, dk, dv, ...rest);
      scratch.give(numbers, bytes);
    },
  };
}
