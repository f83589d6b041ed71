// Every kernel of the backend, tfjs's by their names and `orthant.*`.
import type { KernelConfig } from "@tensorflow/tfjs";
import { arithmetic } from "./arithmetic.ts";
import { attentions } from "./attention/index.ts";
import { losses } from "./cross-entropy.ts";
import { gates } from "./gates.ts";
import { convolutions } from "./images/convolution.ts";
import { pools } from "./images/pooling.ts";
import { many } from "./many.ts";
import { named } from "./named.ts";
import { products } from "./products.ts";
import { draws } from "./random.ts";
import { reductions } from "./reductions.ts";
import { rows } from "./rows.ts";
import { shapes } from "./shapes.ts";
import { softmax } from "./softmax.ts";
import { toConfigs } from "./table.ts";
import { fallbacks, withHost } from "./tfjs/fallback.ts";

/** Kernels that run on the card. */
export const ownKernels = (): KernelConfig[] =>
  [
    arithmetic,
    shapes,
    draws,
    reductions,
    softmax,
    products,
    rows,
    named,
    many,
    gates,
    convolutions,
    pools,
    attentions,
    losses,
  ].flatMap(toConfigs);

/** Those, and tfjs's others through its cpu backend. */
export function kernels(): KernelConfig[] {
  const own = ownKernels();
  return [...own.map(withHost), ...fallbacks(own)];
}
