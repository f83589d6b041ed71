// How one tensor is held along one mesh axis, and the one table that derives every backward collective.
// Idea: meta-pytorch/spmd_types. Types and strings only; `group.ts` does the communication.
import type { Tensor } from "@tensorflow/tfjs";

/**
 * I invariant: same value on every rank, same gradient on every rank.
 * R replicate: same value on every rank, each rank owns a part of the gradient.
 * V varying:   each rank holds its own shard.
 * P partial:   the true value is the sum over the ranks.
 */
export type Placement = "I" | "R" | "V" | "P";

/** The placement of the gradient of a tensor with this placement. */
export const dual = { I: "I", R: "P", V: "V", P: "R" } as const satisfies Record<Placement, Placement>;

/** What a change of placement costs on the wire. */
export const transitions = {
  "I->R": "identity",
  "P->I": "allReduce",
  "V->R": "allGather",
  "P->V": "reduceScatter",
} as const;

export type Transition = keyof typeof transitions;

/** The transition that carries the gradient back: `adjoint(a -> b) = dual(b) -> dual(a)`. */
export function adjoint(transition: Transition): Transition {
  const [from, to] = transition.split("->") as [Placement, Placement];
  return `${dual[to]}->${dual[from]}` as Transition;
}

declare const held: unique symbol;
/** A tensor whose placement on the tensor-parallel axis the compiler knows: a forgotten collective is a type error. */
export type Held<P extends Placement> = Tensor & { readonly [held]: P };
