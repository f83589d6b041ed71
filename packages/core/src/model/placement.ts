// How one tensor is held along each mesh axis, in the type, so that a forgotten collective does not compile.
// Idea: meta-pytorch/spmd_types. Types and strings only: `crossing.ts` changes placements.
import type { Tensor } from "@tensorflow/tfjs";

/**
 * How the members of one mesh axis hold a tensor.
 * I invariant: same value on every member, same gradient on every member.
 * R replicate: same value on every member, each member owns a part of the gradient.
 * V varying:   each member holds its own shard.
 * P partial:   the true value is the sum over the members.
 */
export type Placement = "I" | "R" | "V" | "P";

/** The placement of the gradient of a tensor with this placement. */
export const dual = { I: "I", R: "P", V: "V", P: "R" } as const satisfies Record<Placement, Placement>;

/** The placement of a gradient, as a type: `Dual["R"]` is `"P"`. */
export type Dual = typeof dual;

/** Mesh axis to placement, such as `{ tp: "R", cp: "V" }`. An axis that is not named is I. */
export type Placements = Readonly<Record<string, Placement>>;

/** I along every axis. */
export type Everywhere = Readonly<Record<never, never>>;

/** The placement along one axis. */
export type PlacementAlong<P extends Placements, Axis extends string> = Axis extends keyof P ? P[Axis] : "I";

/** `P` with another placement along one axis. */
export type Placed<P extends Placements, Axis extends string, To extends Placement> = {
  readonly [A in (keyof P & string) | Axis as A extends Axis ? (To extends "I" ? never : A) : A]: A extends Axis
    ? To
    : P[A];
};

declare const held: unique symbol;
/** A tensor whose placement along each mesh axis the compiler knows: `Held<{ tp: "R" }>` is R along tp, I along the others. */
export type Held<P extends Placements = Everywhere> = Tensor & { readonly [held]: (placements: P) => P };

/** Stands beside an argument that has another placement than the one asked for: shown by the compiler, never made. */
export interface Misplaced<Found extends Placement, Expected extends Placement> {
  readonly found: Found;
  readonly expected: Expected;
}

/** A tensor that is `From` along `Axis`, whatever it is along the others. */
export type HeldAlong<P extends Placements, Axis extends string, From extends Placement> = Held<P> &
  (PlacementAlong<P, Axis> extends From ? unknown : Misplaced<PlacementAlong<P, Axis>, From>);

/** `I along every axis`, `R along tp, V along cp`: for messages. */
export const showPlacements = (placements: Placements): string =>
  Object.entries(placements)
    .filter(([, placement]) => placement !== "I")
    .map(([axis, placement]) => `${placement} along ${axis}`)
    .join(", ") || "I along every axis";
