// Tensor parallelism: see README.md.
export { type Rule, rules, tensorParallel } from "./tensor-parallel.ts";
