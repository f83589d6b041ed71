// What sister packages need beyond the public exports; no promise of stability.

export { importTensors, type NamedTensor, openParameters } from "./checkpoint/exchange.ts";
export { floatTypes, toFloats } from "./checkpoint/floats.ts";
export { encodeHeader, headerLength, LENGTH_BYTES, parseHeader, type StoredEntry } from "./checkpoint/safetensors.ts";
export { saysAll } from "./errors.ts";
export { runRanks } from "./hosts/run.ts";
export type { RanksJob } from "./hosts/share.ts";
export { eachKept, initialValues } from "./params/params.ts";
export { assemble } from "./plan/assemble.ts";
