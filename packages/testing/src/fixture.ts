// A strategy under test with what it needs around it: axes of its own, features of the model, and what its numbers are
// compared with. Plain data, so that any two can be put together.
import type { Mesh, Strategy } from "@orthant/core";

/** What the model of a test has beside plain blocks. Each is the same computation on every mesh. */
export interface Features {
  /** Attention over a sequence that the members of axis "cp" hold a part of each. */
  readonly ring?: boolean;
  /** Experts in place of the MLP, cut over the members of axis "ep". */
  readonly experts?: boolean;
  readonly dropout?: boolean;
  /** The head's weight is the embedding's. */
  readonly tied?: boolean;
  /** An auxiliary loss in every block. */
  readonly auxiliary?: boolean;
}

/** Where a strategy under test is put. */
export interface Setting {
  /** Members of each axis. */
  readonly size: number;
  /** Name for an axis of its own that divides the batch. */
  readonly batch: string;
  /** Axes of the strategy beside it that divide the batch: a wire carries the bytes of one of these. */
  readonly beside: readonly string[];
}

export interface Placed {
  readonly mesh: Mesh;
  readonly strategies: readonly Strategy[];
}

export interface Fixture {
  readonly name: string;
  make(setting: Setting): Placed;
  readonly features?: Features;
  /** True where its numbers are not those of one device by design: then they are compared with the fixture alone. */
  readonly ownNumbers?: boolean;
  /** The most that losses and gradients may differ, relative, where that is more than rounding: for what is lossy. */
  readonly tolerance?: number;
}
