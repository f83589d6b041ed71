// The parameters of a model as data: tied ones made one, each cut by the strategies. Pure.
import { axisSize, type Mesh } from "../mesh.ts";
import type { AnyLayer, LayerParam } from "../model/model.ts";
import type { ParamSpec, Use } from "../params/params.ts";
import type { Strategy } from "./strategy.ts";

interface Declared extends Use {
  readonly param: LayerParam;
}

/** One spec a parameter, in the model's order. Throws on a name used twice, on ties that do not fit, on cuts that do not divide. */
export function dealSpecs(layers: readonly AnyLayer[], strategies: readonly Strategy[], mesh: Mesh): ParamSpec[] {
  const declared = layers.flatMap(({ name, params }, layer) =>
    params.map((param): Declared => ({ name: `${name}.${param.name}`, layer, param })),
  );
  const twice = declared.find(({ name }, i) => declared.findIndex((d) => d.name === name) !== i);
  if (twice) throw new Error(`two parameters are named ${twice.name}: give each layer its own name`);
  const groups = Map.groupBy(declared, ({ name, param }) => (param.tie === undefined ? name : `tie ${param.tie}`));
  return [...groups.values()].map((uses) => {
    const dealt = strategies.reduce((spec, strategy) => cutBy(strategy, spec, mesh), toSpec(uses));
    checkSplit(dealt, mesh);
    return dealt;
  });
}

const flatAxes = ({ split }: ParamSpec): string[] => Object.keys(split).filter((axis) => split[axis] === "flat");

/** Chunks of chunks are cut in the order of the list: what cuts parameters comes before what cuts only their gradients. */
function cutBy({ name, split }: Strategy, spec: ParamSpec, mesh: Mesh): ParamSpec {
  const cut = split?.(spec, mesh) ?? spec;
  const [before = []] = [spec.shard];
  const flat = flatAxes(cut).length > flatAxes(spec).length;
  if (!before.length || (!flat && (cut.shard?.length ?? 0) === before.length)) return cut;
  const seen = `${spec.name} has its gradient cut along ${before.join(", ")} already`;
  if (flat) throw new Error(`${name}() cuts parameters, and ${seen}: list ${name}() before the strategy that did`);
  throw new Error(`${name}() cuts gradients, and ${seen}: keep one of the two, or cut parameters with one (stage 3)`);
}

function toSpec(declared: readonly Declared[]): ParamSpec {
  const [first, ...others] = declared as [Declared, ...Declared[]];
  for (const other of others) checkTie(first, other);
  const { shape, init, frozen, average } = first.param;
  const uses = declared.map(({ name, layer }): Use => ({ name, layer }));
  return {
    name: first.name,
    shape,
    init,
    uses,
    split: {},
    ...(frozen && { frozen }),
    ...(average !== undefined && { average }),
  };
}

function checkTie(first: Declared, other: Declared): void {
  const [a, b] = [first.param, other.param];
  const both = `${first.name} and ${other.name} are tied as "${a.tie}"`;
  const [shape, second] = [a, b].map((param) => `[${param.shape.join(", ")}]`);
  if (shape !== second)
    throw new Error(`${both} and have shapes ${shape} and ${second}: give both one shape, and transpose in a segment`);
  if (!!a.frozen !== !!b.frozen) throw new Error(`${both} and one of them is frozen: freeze both or none`);
}

function checkSplit({ name, shape, split }: ParamSpec, mesh: Mesh): void {
  for (const [axis, cut] of Object.entries(split)) {
    if (cut === "flat") continue;
    if (shape[cut] === undefined)
      throw new Error(`${axis} would cut dim ${cut} of ${name}, which has dims 0 to ${shape.length - 1}`);
    checkDivides(
      axis,
      Object.keys(split).filter((other) => split[other] === cut),
      { name, shape, cut, mesh },
    );
  }
}

interface Cut {
  readonly name: string;
  readonly shape: readonly number[];
  readonly cut: number;
  readonly mesh: Mesh;
}

/** Several axes may cut one dim: together they must divide it. */
function checkDivides(axis: string, axes: readonly string[], { name, shape, cut, mesh }: Cut): void {
  const length = shape[cut]!;
  const members = axes.reduce((n, other) => n * axisSize(mesh, other), 1);
  if (length % members === 0) return;
  const others = members / axisSize(mesh, axis);
  const fits = Array.from({ length }, (_, i) => i + 1).filter((n) => length % (n * others) === 0);
  const shown = axes.map((other) => `${other} ${axisSize(mesh, other)}`).join(" x ");
  throw new Error(
    `${shown} does not divide dim ${cut} of ${name} [${shape.join(", ")}]: ${length} / ${members} is not whole; ` +
      `${axis} ${fits.join(", ") || "1"} would be`,
  );
}

/** The parameter of each use. */
export const specsByUse = (specs: readonly ParamSpec[]): Map<string, ParamSpec> =>
  new Map(specs.flatMap((spec) => spec.uses.map(({ name }) => [name, spec] as const)));

/** The parameters that some of these layers use. */
export const usedBy = (specs: readonly ParamSpec[], layers: readonly number[]): ParamSpec[] =>
  specs.filter(({ uses }) => uses.some(({ layer }) => layers.includes(layer)));

/** The uses of a parameter in some of these layers. */
export const usesIn = ({ uses }: ParamSpec, layers: readonly number[]): readonly Use[] =>
  uses.filter(({ layer }) => layers.includes(layer));
