// Data parallelism with optional sharding: see README.md.

export type { ZeroOptions } from "./options.ts";
export { withUnshard } from "./passes.ts";
export type { Precision } from "./wire/codec.ts";
export type { WireOptions } from "./wire/wire.ts";
export { zero } from "./zero.ts";
