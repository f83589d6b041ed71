// Dropout is a feature of a model, not a strategy: `tape.random(name).uniform(x)` gives the same numbers on every mesh, and again
// where a segment is recomputed, so that a layer drops the same elements everywhere. Under data parallelism here.

import type { Fixture } from "@orthant/testing";
import { zero } from "@orthant/zero";

/** Dropout under test. */
export const dropoutFixture: Fixture = {
  name: "dropout",
  features: { dropout: true },
  make: ({ size, batch }) => ({ mesh: { [batch]: size }, strategies: [zero({ stage: 0, axis: batch })] }),
};
