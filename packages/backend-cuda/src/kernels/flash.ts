// Causal attention by this package's own tensor-core kernels, in the place of a library: where there is no cuDNN.
import type { CudaBackend } from "../backend/backend.ts";
import type { Attention, Launch } from "../driver/gpu.ts";
import { flash, rowsOf, type Tiling } from "../sources/flash.ts";
import { flashKeys, flashQueries } from "../sources/flash-grad.ts";
import type { Half } from "../sources/mma.ts";
import { blocks } from "./dims.ts";

/** How the three kernels are cut. */
export interface Tilings {
  readonly forward: Tiling;
  readonly queries: Tiling;
  readonly keys: Tiling;
}

/** The fastest of those tried on one H100, by the width of a head. */
export function tilingsOf(K: number): Tilings {
  const small = K <= 64;
  return {
    forward: { m: small ? 2 : 1, warps: small ? 4 : 8, step: small ? 64 : 32, held: small, blocks: small ? 2 : 1 },
    queries: { m: 1, warps: 4, step: small ? 64 : 32, held: small, blocks: 2 },
    keys: { m: 1, warps: 4, step: small ? 64 : 32, held: small, blocks: 2 },
  };
}

type Source = typeof flash;

/** Attention over heads whose width is a multiple of 8, at most 128, and a scale above 0. */
export function flashAttention(b: CudaBackend, tilings = tilingsOf): Attention {
  const kernel = (prefix: string, source: Source, K: number, type: Half, tiling: Tiling): Launch => {
    const name = `${prefix}_${K}_${type}`;
    return b.program(name, () => source(name, K, type, tiling));
  };
  return {
    forward({ B, T, H, K, row, type }, scale, _, { q, k, v, y, lse }) {
      const { forward: tiling } = tilings(K);
      const launch = kernel("flash", flash, K, type, tiling);
      launch(blocks(T, rowsOf(tiling)), B * H, 32 * tiling.warps, q, k, v, y, lse, T, H, row, scale);
    },
    backward({ B, T, H, K, row, type }, scale, scratch, { dy, q, k, v, y, lse, dq, dk, dv }) {
      const { queries, keys } = tilings(K);
      const bytes = 4 * B * H * T;
      const delta = scratch.take(bytes, "attention's row sums");
      const byQueries = kernel("flashQueries", flashQueries, K, type, queries);
      const byKeys = kernel("flashKeys", flashKeys, K, type, keys);
      const rest = [T, H, row, scale] as const;
      byQueries(blocks(T, rowsOf(queries)), B * H, 32 * queries.warps, dy, q, k, v, y, lse, delta, dq, ...rest);
      byKeys(blocks(T, rowsOf(keys)), B * H, 32 * keys.warps, dy, q, k, v, lse, delta, dk, dv, ...rest);
      scratch.give(delta, bytes);
    },
  };
}
