// What a strategy sees of a mesh axis: tensors to and from the members of this rank's group. An interface, so that it can be
// wrapped (`{ ...group, exchange }`) and a device may bring its own. Not the default, which is `direct.ts`.
import type { Tensor } from "@tensorflow/tfjs";
import type { Shape } from "../model/segment.ts";
import type { ExtraState } from "../params/extra.ts";

/**
 * Carries tensors along one mesh axis. It takes ownership of every tensor that it is handed, and hands out tensors that the
 * caller owns. Several tensors are one exchange and have one dtype. `at` names the call: the same on all members, and another
 * one for each call that is under way.
 */
export interface Group {
  /** The mesh axis. */
  readonly axis: string;
  /** This rank's position on the axis, from 0. */
  readonly rank: number;
  /** Number of members. */
  readonly size: number;
  /** Sums each tensor over the members, in rank order. Rejects, before it sends, where the dtype has no sum. */
  allReduce(xs: readonly Tensor[], at: string): Promise<Tensor[]>;
  /** Sums each over the members and keeps this member's flat chunk (`chunk`), a vector. Rejects as `allReduce` does. */
  reduceScatter(xs: readonly Tensor[], at: string): Promise<Tensor[]>;
  /** Joins everyone's flat chunk of each to tensors of `shapes`: what `reduceScatter` cuts, whole again. */
  allGather(chunks: readonly Tensor[], shapes: readonly Shape[], at: string): Promise<Tensor[]>;
  /**
   * Sends `parts[i]` to member i and resolves to what each member sent here, by member; this member's own part is handed
   * through. Parts may differ in length, or be empty. Their memory may be used again once this resolves.
   */
  exchange(parts: readonly Uint8Array[], at: string): Promise<Uint8Array[]>;
  /** Sends a tensor to member `to`. Resolves when it is on its way. */
  send(to: number, x: Tensor, at: string): Promise<void>;
  /** Receives the tensor that member `from` sends under the same name; shape and dtype travel with it. */
  recv(from: number, at: string): Promise<Tensor>;
  /**
   * Makes the group of some members, by position, this one among them, in the order given. Its calls need names of their own.
   * Absent where a device brings groups that cannot be divided.
   */
  subgroup?(members: readonly number[]): Group;
  /** What a wire carries from step to step, such as what rounding has lost: checkpoints have it too. */
  readonly extra?: ExtraState;
}
