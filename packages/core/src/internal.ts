// What sister packages need beyond the public exports; no promise of stability.

export { saysAll } from "./errors.ts";
export { runRanks } from "./hosts/run.ts";
export type { RanksJob } from "./hosts/share.ts";
export { eachKept, initialValues } from "./params/params.ts";
export { assemble } from "./plan/assemble.ts";
