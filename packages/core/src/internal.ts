// What sister packages need beyond the public exports; no promise of stability.

export { saysAll } from "./errors.ts";
export { eachKept, initialValues } from "./params/params.ts";
export { assemble } from "./plan/assemble.ts";
