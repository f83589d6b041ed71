// Frozen parameters: a strategy about no axis. What is frozen has no gradient, no update, no optimizer state and no bytes for
// them; what is trained before it still gets its gradient through it. An example to copy.
import type { Strategy } from "@orthant/core";
import type { Fixture } from "@orthant/testing";
import { zero } from "@orthant/zero";

/** Strategy that trains all but the parameters named, in full: `0.attn.query`. A tied one has all its names. */
export const freeze = (names: readonly string[]): Strategy => ({
  name: "freeze",
  split: (param) => (param.uses.some(({ name }) => names.includes(name)) ? { ...param, frozen: true } : param),
});

/** Whole segments, so that nothing of them is trained, and one parameter beside others that are. */
const names = ["embed.tokens", "embed.positions", "0.norm1.gain", "0.norm1.bias", "2.attn.key"];

/** Frozen parameters under test, and data parallelism to spread them. */
export const frozenFixture: Fixture = {
  name: "frozen",
  ownNumbers: true,
  make: ({ size, batch }) => ({
    mesh: { [batch]: size },
    strategies: [freeze(names), zero({ stage: 0, axis: batch })],
  }),
};
