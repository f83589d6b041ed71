// What sister packages need beyond the public exports; no promise of stability.

export { addRow } from "./devices/wasm/broadcast.ts";
export { gelu, geluAndGradient } from "./devices/wasm/gelu.ts";
export { differentiable } from "./devices/wasm/gradient.ts";
export { columnSums, product, products, rows, transposed } from "./devices/wasm/matmul.ts";
export { type Norm, normalized, normGradients, statistics } from "./devices/wasm/normalize.ts";
export { oneHot, pickRows, sumIntoRows } from "./devices/wasm/rows.ts";
export { causalSoftmax, causalSoftmaxGradient } from "./devices/wasm/softmax.ts";
export { saysAll } from "./errors.ts";
export { runRanks } from "./hosts/run.ts";
export type { RanksJob } from "./hosts/share.ts";
export { eachKept, initialValues } from "./params/params.ts";
export { assemble } from "./plan/assemble.ts";
