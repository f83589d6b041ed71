// The strategies of this folder as fixtures: where tests put each, and what the model has beside plain blocks.
import type { Fixture } from "@orthant/testing";
import { zero } from "@orthant/zero";
import { context } from "./context.ts";
import { disk } from "./disk.ts";
import { experts } from "./experts.ts";
import { freeze } from "./frozen.ts";
import { hybrid } from "./hybrid.ts";
import { int8 } from "./int8.ts";
import { islands } from "./islands.ts";

export { dropoutFixture } from "./dropout.ts";
export { tiedFixture } from "./tied.ts";

/** Context parallelism under test. */
export const contextFixture: Fixture = {
  name: "context",
  features: { ring: true },
  make: ({ size }) => ({ mesh: { cp: size }, strategies: [context()] }),
};

export const diskFixture: Fixture = { name: "disk", make: () => ({ mesh: {}, strategies: [disk()] }) };

/** Expert parallelism under test. */
export const expertsFixture: Fixture = {
  name: "experts",
  features: { experts: true },
  make: ({ size }) => ({ mesh: { ep: size }, strategies: [experts()] }),
};

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

/** As many shards as copies. */
export const hybridFixture: Fixture = {
  name: "hybrid",
  make: ({ size, batch }) => ({
    mesh: { [`${batch}-shard`]: size, [`${batch}-replica`]: size },
    strategies: hybrid({ shard: `${batch}-shard`, replica: `${batch}-replica` }),
  }),
};

/** Carries one batch axis of the strategy beside it, or that of data parallelism. */
export const int8Fixture: Fixture = {
  name: "int8",
  tolerance: 0.05,
  make({ size, batch, beside: [axis] }) {
    if (axis !== undefined) return { mesh: {}, strategies: [int8({ axis })] };
    return { mesh: { [batch]: size }, strategies: [zero({ stage: 0, axis: batch }), int8({ axis: batch })] };
  },
};

export const islandsFixture: Fixture = {
  name: "islands",
  ownNumbers: true,
  make: ({ size, batch }) => ({ mesh: { [batch]: size }, strategies: [islands({ axis: batch, every: 2 })] }),
};
