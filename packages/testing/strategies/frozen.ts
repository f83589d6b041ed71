// Frozen parameters: a strategy about no axis. What is frozen has no gradient, no update, no optimizer state and no bytes for
// them; what is trained before it still gets its gradient through it. An example to copy.
import type { Strategy } from "@orthant/core";

/** Strategy that trains all but the parameters named, in full: `0.attn.query`. A tied one has all its names. */
export const freeze = (names: readonly string[]): Strategy => ({
  name: "freeze",
  split: (param) => (param.uses.some(({ name }) => names.includes(name)) ? { ...param, frozen: true } : param),
});
