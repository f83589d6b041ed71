// A model's sizes on a mesh, by running its own `forward` on a tape of shapes, at the size of one microbatch. Asynchronous by
// type; allocates no tensor.
import { axisSize, type Mesh } from "../mesh.ts";
import type { Field } from "../model/model.ts";
import type { Placements } from "../model/placement.ts";
import { elements, type Shape } from "../model/segment.ts";
import type { ParamSpec } from "../params/params.ts";
import type { JobOptions } from "./options.ts";
import { batchAxes, positionOf, type Roles } from "./roles.ts";
import { handedOn, placeholder, ShapeTape } from "./shape-tape.ts";
import { specsByUse, usedBy } from "./specs.ts";
import type { LayerShape, ModelShape } from "./strategy.ts";

/** Shape of one side of a sample as one rank sees it. Throws where an axis does not divide its dim. */
export function fieldShape({ shape }: Field, side: string, { dims }: Roles, mesh: Mesh): Shape {
  const cut = [...shape];
  for (const [axis, dim] of Object.entries(dims)) {
    const [size, length] = [axisSize(mesh, axis), shape[dim]];
    if (length === undefined)
      throw new Error(`${axis} divides dim ${dim} of every sample, and the ${side} has shape [${shape.join(", ")}]`);
    if (length % size !== 0)
      throw new Error(
        `${axis} ${size} does not divide dim ${dim} of the ${side} [${shape.join(", ")}]: ${length} / ${size} is not whole`,
      );
    cut[dim] = length / size;
  }
  return cut;
}

/** Along an axis that divides a dim of every sample, what a layer is given is V. */
const placementsOf = ({ dims }: Roles): Placements =>
  Object.fromEntries(Object.keys(dims).map((axis) => [axis, "V"] as const));

/** Measures every layer. */
export async function measure(
  options: JobOptions,
  specs: readonly ParamSpec[],
  roles: Roles,
  micros: number,
): Promise<ModelShape> {
  const { mesh = {}, model, data, batch, recompute = false } = options;
  const samples = Math.max(1, Math.floor(batch / (positionOf(roles.batch, mesh, {}).of * micros)));
  const context = { mesh, specs: specsByUse(specs), recompute, batch: batchAxes(roles) };
  const side = (name: "input" | "target") =>
    placeholder([samples, ...fieldShape(data[name], name, roles, mesh)], placementsOf(roles));
  const layers: LayerShape[] = [];
  let x: unknown = side("input");
  for (const [i, layer] of model.layers.entries()) {
    const tape = new ShapeTape(context);
    x = await layer.forward(tape, (i === 0 ? x : handedOn(x)) as never);
    const last = i === model.layers.length - 1;
    const kept = tape.kept(last ? await model.loss(tape, x as never, side("target")) : x);
    const { segments, flops, moves, losses, widest, peak } = tape;
    const out = elements((x as { shape: Shape }).shape);
    layers.push({
      name: layer.name,
      params: usedBy(specs, [i]),
      segments,
      flops,
      widest,
      kept,
      peak,
      out,
      moves,
      losses,
    });
  }
  return { mesh, layers, micros };
}
