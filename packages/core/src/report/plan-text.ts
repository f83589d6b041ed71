// A plan as a page of text: who holds what, who does what when, and what it costs. Strings only; decides nothing.
import { axisSize, type Mesh } from "../mesh.ts";
import type { Shape } from "../model/segment.ts";
import { localShape, type ParamSpec } from "../params/params.ts";
import type { JobOptions } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";
import type { RankPlan } from "../plan/ranks.ts";
import { grid } from "../schedule/grid.ts";
import { simulate } from "../schedule/simulate.ts";
import { countParams } from "./metrics.ts";
import { showBytes, showCount, showPercent, table } from "./units.ts";

/** Most characters in a line of the schedule, before its indent. */
const WIDTH = 96;

/** Writes what `orthant plan` prints. `options`, where given, add the names of model, strategies and optimizer. */
export function describePlan(plan: Plan, options?: JobOptions): string {
  const sections = [
    header(plan, options),
    section("Each rank holds, each kind at its peak, beside what lives within one segment", ranks(plan)),
    section("Each parameter is cut", shards(plan)),
    section(`One step (${legend(plan)}, numbers are micros)`, grid(plan.schedule, WIDTH, plan.roles.layers)),
    section("Sent in one step", sent(plan, options)),
    section("Idle (the bubble)", bubble(plan)),
  ];
  return sections.join("\n\n");
}

const legend = ({ schedule }: Plan): string =>
  schedule.flat().some(({ op }) => op === "W")
    ? "F forward, B backward to the input, W to the weights"
    : "F forward, B backward";

const section = (title: string, body: string): string => `${title}\n${body.replace(/^/gm, "  ")}`;

function header(plan: Plan, options: JobOptions | undefined): string {
  const { mesh, ranks, roles, batch, micros, microSize } = plan;
  const dealt = roles.batch.map((axis) => `${axis} ${axisSize(mesh, axis)}`);
  const psi = countParams(plan);
  const axes = Object.entries(mesh)
    .map(([axis, size]) => `${axis} ${size}`)
    .join(" x ");
  const optimizer = options && `${options.optimizer.name}, ${options.optimizer.slots} x 4 bytes of state per parameter`;
  const facts = [
    ...(options ? [["model", options.model.name]] : []),
    ["parameters", `${showCount(psi)} (${showBytes(4 * psi)} in float32)`],
    ["mesh", axes ? `${axes} = ${ranks.length} ranks` : "1 rank"],
    ["batch", `${batch} samples = ${[...dealt, `${micros} micros`, `${microSize} samples`].join(" x ")}`],
    ...(optimizer ? [["optimizer", optimizer]] : []),
  ];
  return facts.map(([name, value]) => `${name!.padEnd("parameters".length)}  ${value}`).join("\n");
}

const HELD = ["parameters", "gradients", "optimizer", "activations", "total"];

function ranks({ mesh, ranks, stages, model }: Plan): string {
  const axes = Object.keys(mesh);
  const row = ({ rank, coords, stages: mine, bytes }: RankPlan): string[] => {
    const { params, grads, optimizer, activations } = bytes;
    const names = mine.flatMap((s) => stages[s]!).map((i) => model.layers[i]!.name);
    const held = [params, grads, optimizer, activations, params + grads + optimizer + activations];
    return [
      `${rank}`,
      ...axes.map((axis) => `${coords[axis]}`),
      mine.join(", "),
      compress(names),
      ...held.map(showBytes),
    ];
  };
  return table(["rank", ...axes, "stage", "layers", ...HELD], ranks.map(row), ["rank", ...axes, ...HELD]);
}

/** Shortens a list to `embed, 0-3`: names that count up by one become a range. */
export function compress(names: readonly string[]): string {
  const runs: { readonly first: string; last: string }[] = [];
  for (const name of names) {
    const run = runs.at(-1);
    if (run && name === successor(run.last)) run.last = name;
    else runs.push({ first: name, last: name });
  }
  return runs.map(({ first, last }) => (first === last ? first : `${first}-${/\d+$/.exec(last)?.[0]}`)).join(", ");
}

const successor = (name: string): string | undefined =>
  /\d$/.test(name) ? name.replace(/\d+$/, (digits) => `${Number(digits) + 1}`) : undefined;

/** Writes a row for each parameter, over all layers where it has the same shape and cuts. */
function shards({ specs, mesh, model }: Plan): string {
  const rows = new Map<string, { readonly row: readonly string[]; readonly layers: string[] }>();
  for (const spec of specs) {
    const layer = model.layers[spec.uses[0]!.layer]!.name;
    const row = [
      spec.name.slice(layer.length + 1),
      showShape(spec.shape),
      [...cuts(spec, mesh), ...notes(spec)].join(", "),
    ];
    const seen = rows.get(row.join()) ?? { row, layers: [] };
    rows.set(row.join(), seen);
    seen.layers.push(layer);
  }
  const lines = [...rows.values()].map(({ row, layers }) => [compress(layers), ...row]);
  return table(["layers", "parameter", "shape", "a rank keeps"], lines);
}

const showShape = (shape: Shape): string => `[${shape.join(", ")}]`;

/** Says `tp cuts dim 1 -> [256, 4, 32], dp keeps a flat 1/2`. */
function cuts(spec: ParamSpec, mesh: Mesh): string[] {
  const real = Object.entries(spec.split).filter(([axis]) => axisSize(mesh, axis) > 1);
  const dims = real.filter(([, dim]) => dim !== "flat").map(([axis, dim]) => `${axis} cuts dim ${dim}`);
  const flat = real
    .filter(([, dim]) => dim === "flat")
    .map(([axis]) => `${axis} keeps a flat 1/${axisSize(mesh, axis)}`);
  const cut = dims.length ? [`${dims.join(" and ")} -> ${showShape(localShape(spec, mesh))}`] : [];
  return cut.length + flat.length ? [...cut, ...flat] : ["all of it"];
}

/** Says what else is to know of a parameter: that it is frozen, and where it is tied to. */
function notes({ frozen, uses }: ParamSpec): string[] {
  const others = uses.slice(1).map(({ name }) => name);
  return [...(frozen ? ["frozen"] : []), ...(others.length ? [`tied to ${others.join(" and ")}`] : [])];
}

function sent({ sent, ranks }: Plan, options: JobOptions | undefined): string {
  const entries = Object.entries(sent);
  if (!entries.length) return "nothing: there is one rank";
  const nameOf = (axis: string) =>
    (options?.strategies ?? []).flatMap((s) => (s.axis === axis ? [s.name] : [])).join(", ");
  const rows = entries.map(([axis, bytes]) => [axis, nameOf(axis), showBytes(bytes), showBytes(bytes / ranks.length)]);
  return table(["axis", "strategy", "all ranks", "per rank"], rows, ["all ranks", "per rank"]);
}

/** Shows the idle share of a step, and that of equal stages; with the formula of GPipe (Huang et al., 2019) where it holds. */
function bubble({ schedule, micros: m, simulation }: Plan): string {
  const p = schedule.length;
  const planned = `${showPercent(simulation.bubble)}  by the operations of each stage`;
  if (p === 1) return planned;
  const equal = simulate(schedule).bubble;
  const holds = Math.abs(equal - (p - 1) / (m + p - 1)) < 1e-9;
  const formula = holds ? `: (p-1)/(m+p-1) = ${p - 1}/${m + p - 1}` : "";
  return `${planned}\n${showPercent(equal)}  if stages were equal${formula}`;
}
