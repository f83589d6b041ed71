// Tensor parallelism: see README.md.
export { type Rule, rules, type TensorParallelOptions, tensorParallel } from "./tensor-parallel.ts";
