// Data parallelism with optional sharding: see README.md.

export { bytesPerParameter, type StateBytes } from "./formula.ts";
export type { Offload, Place, ZeroOptions } from "./options.ts";
export { withUnshard } from "./passes.ts";
export type { Precision } from "./wire/codec.ts";
export type { WireOptions } from "./wire/wire.ts";
export { zero } from "./zero.ts";
