// What each mesh axis is for, read off the strategies: whom samples, stages and gradients are dealt to. Core asks these
// roles, never an axis by its name. Pure.
import { axisSize, type Coords, type Mesh, rankOf } from "../mesh.ts";
import { chunk, type ParamSpec } from "../params/params.ts";
import type { Divides, Strategy } from "./strategy.ts";

/** What the axes of the mesh are for, as the strategies say it. */
export interface Roles {
  /**
   * Axes whose members train on different samples, outermost first: independent ones before the others, so that a member that
   * trains for itself has the same samples whatever divides them within it.
   */
  readonly batch: readonly string[];
  /** Axes whose members see different parts of every sample: the dim that is cut. */
  readonly dims: Readonly<Record<string, number>>;
  /** The axis whose members run different stages. */
  readonly layers: string | undefined;
  /** Axes whose members train for themselves, with the steps from one meeting to the next. */
  readonly independent: Readonly<Record<string, number>>;
}

/** `the batch`, `dim 0 of every sample`. */
const showDivides = (divides: Divides): string =>
  divides === "batch" ? "the batch" : divides === "layers" ? "the layers" : `dim ${divides.dim} of every sample`;

interface Divider {
  readonly name: string;
  readonly axis: string;
  readonly divides: Divides;
}

const dividersOf = (strategies: readonly Strategy[]): Divider[] =>
  strategies.flatMap(({ name, axis, divides }) => {
    if (divides === undefined) return [];
    if (axis !== undefined) return [{ name, axis, divides }];
    throw new Error(
      `${name}() divides ${showDivides(divides)} and names no axis: give it the axis whose members it divides`,
    );
  });

/** An axis divides one thing, once; the layers, and each dim of a sample, are divided by one axis. */
function refuseRivals(dividers: readonly Divider[]): void {
  for (const [i, one] of dividers.entries())
    for (const other of dividers.slice(i + 1)) {
      const [first, second] = [showDivides(one.divides), showDivides(other.divides)];
      if (one.axis === other.axis)
        throw new Error(
          first === second
            ? `${one.name}() and ${other.name}() both divide ${first} along ${one.axis}: keep one, or give one an axis of its own`
            : `${one.name}() divides ${first} along ${one.axis} and ${other.name}() ${second}: give one an axis of its own`,
        );
      if (first === second && one.divides !== "batch")
        throw new Error(
          `${one.name}() divides ${first} along ${one.axis} and ${other.name}() along ${other.axis}: keep one`,
        );
    }
}

/** Reads the roles of the mesh's axes. Throws where two strategies divide the same thing. */
export function rolesOf(strategies: readonly Strategy[], mesh: Mesh): Roles {
  const dividers = dividersOf(strategies);
  refuseRivals(dividers);
  const cut = dividers.flatMap(({ axis, divides }) =>
    typeof divides === "object" ? [[axis, divides.dim] as const] : [],
  );
  const independent = Object.fromEntries(
    strategies.flatMap(({ axis, independent }) => (axis && independent ? [[axis, independent.every]] : [])),
  );
  const batch = Object.keys(mesh).filter((name) =>
    dividers.some(({ axis, divides }) => axis === name && divides === "batch"),
  );
  return {
    batch: [...batch.filter((axis) => axis in independent), ...batch.filter((axis) => !(axis in independent))],
    dims: Object.fromEntries(cut),
    layers: dividers.find(({ divides }) => divides === "layers")?.axis,
    independent,
  };
}

/** Position among the members of several axes, the last one varying fastest. */
export function positionOf(axes: readonly string[], mesh: Mesh, coords: Coords): { at: number; of: number } {
  const part = Object.fromEntries(axes.map((axis) => [axis, axisSize(mesh, axis)]));
  return { at: rankOf(part, coords), of: axes.reduce((n, axis) => n * axisSize(mesh, axis), 1) };
}

/** The stage position of a rank: 0 where no strategy divides the layers. */
export const stageAxis = ({ layers }: Roles, coords: Coords): number => (layers ? (coords[layers] ?? 0) : 0);

const divided = ({ batch, dims }: Roles): string[] => [...batch, ...Object.keys(dims)];

/** The axes whose members have different samples of one loss. */
export const batchAxes = ({ batch, independent }: Roles): string[] => batch.filter((axis) => !(axis in independent));

/** The axes along which every member has the same gradient in the end, having added up different parts of it. */
const summed = (roles: Roles): string[] => divided(roles).filter((axis) => !(axis in roles.independent));

/**
 * Whether this rank says the loss of what it computed: along axes whose members compute the same, only the first does.
 */
export const saysLoss = (roles: Roles, coords: Coords): boolean =>
  Object.entries(coords).every(
    ([axis, at]) => at === 0 || axis === roles.layers || axis in roles.independent || divided(roles).includes(axis),
  );

/**
 * Flat range, of the `kept` elements that this rank has of a parameter, that it counts in the global norm, so that each
 * element counts once. Along axes that add up gradients every member counts the chunk that a shard would be, so that the
 * sums have the same bits whether it is one or not. `holder` is the first stage position that holds the parameter.
 */
export function countedRange(
  spec: ParamSpec,
  roles: Roles,
  mesh: Mesh,
  coords: Coords,
  { kept, holder }: { readonly kept: number; readonly holder: number },
): [from: number, to: number] {
  const sums = summed(roles);
  const same = Object.keys(coords).filter((axis) => !(axis in spec.split) && !(axis in roles.independent));
  const first = same.every((axis) =>
    axis === roles.layers ? coords[axis] === holder : sums.includes(axis) || coords[axis] === 0,
  );
  if (!first) return [0, 0];
  const { at, of } = positionOf(
    same.filter((axis) => sums.includes(axis)),
    mesh,
    coords,
  );
  return chunk(kept, of, at);
}
