// What sister packages need beyond the public exports; no promise of stability.

export { eachKept, initialValues } from "./params/params.ts";
export { assemble } from "./plan/assemble.ts";
