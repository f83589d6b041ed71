// Data parallelism with optional sharding: see README.md.
export { withUnshard } from "./passes.ts";
export { type ZeroOptions, zero } from "./zero.ts";
