// Data parallelism with optional sharding: see README.md.

export type { ZeroOptions } from "./options.ts";
export { withUnshard } from "./passes.ts";
export { zero } from "./zero.ts";
