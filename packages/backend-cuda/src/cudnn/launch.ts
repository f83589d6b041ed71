// Runs plans of cuDNN on addresses. Lists of addresses are kept: the same come back step after step, and one costs 30 us to make.
import type { Scratch } from "../driver/gpu.ts";
import type { Cudnn } from "./calls.ts";
import { type GraphTensor, variant } from "./graph.ts";
import type { Planned } from "./plans.ts";

/** Tensors of a graph and where they are. */
export type Pairs = readonly (readonly [GraphTensor, number])[];

/** Most lists of addresses that are kept. */
const KEPT = 1024;

/** Runs a plan on addresses, its workspace from `scratch`. */
export type Run = (planned: Planned, scratch: Scratch, pairs: Pairs) => void;

export function launcher(cudnn: Cudnn): Run {
  const variants = new Map<string, number>();
  const forget = (): void => {
    for (const each of variants.values()) cudnn.destroy(each);
    variants.clear();
  };
  return ({ plan, workspace }, scratch, pairs) => {
    const bytes = Math.max(workspace, 256);
    const address = scratch.take(bytes, "cuDNN's workspace");
    let key = `${plan} ${address}`;
    for (const pair of pairs) key += ` ${pair[1]}`;
    let at = variants.get(key);
    if (at === undefined) {
      if (variants.size >= KEPT) forget();
      at = variant(cudnn, pairs, address);
      variants.set(key, at);
    }
    cudnn.run(plan, at);
    scratch.give(address, bytes);
  };
}
