// What sister packages need beyond the public exports; no promise of stability.
export { eachKept, initialValues } from "./params.ts";
