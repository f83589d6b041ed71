// A whole model on one device, forward only: for sampling and evaluation.
import * as tf from "@tensorflow/tfjs";
import { useDevice } from "./devices/index.ts";
import { Group } from "./group/group.ts";
import { Meter } from "./meter.ts";
import type { Model } from "./model/model.ts";
import type { Held } from "./model/placement.ts";
import { elements, type Shape } from "./model/segment.ts";
import type { ParamSpec } from "./params/params.ts";
import { localStore } from "./params/store.ts";
import type { Device } from "./plan/options.ts";
import { GradTape } from "./rank/tape.ts";
import { forwardOnly } from "./rank/vjp.ts";
import { memoryEndpoints } from "./transports/memory.ts";

/** Whole parameters by name, row-major. */
export type Weights = ReadonlyMap<string, Float32Array>;

export interface ForwardInput {
  readonly values: Float32Array | Int32Array;
  readonly shape: Shape;
  readonly dtype: "float32" | "int32";
}

/** Runs the model's layers; resolves to the values of their output. */
export interface Forward {
  (input: ForwardInput): Promise<Float32Array>;
  dispose(): void;
}

function specOf(layer: number, name: string, { shape, init }: Pick<ParamSpec, "shape" | "init">): ParamSpec {
  return { name, shape, init, layer, split: {} };
}

/** Loads `weights` on this thread's device. Throws where one is missing or has another size. */
export async function forward(model: Model, weights: Weights, device?: Device): Promise<Forward> {
  await useDevice(device);
  const specs = model.layers.flatMap((layer, i) => layer.params.map((p) => specOf(i, `${layer.name}.${p.name}`, p)));
  const dealt = specs.map((spec) => {
    const values = weights.get(spec.name);
    const size = elements(spec.shape);
    if (values?.length !== size)
      throw new Error(`${spec.name} needs ${size} values; the weights have ${values?.length ?? "none"}`);
    return { spec, shape: spec.shape, values };
  });
  const meter = new Meter();
  const store = localStore(dealt, meter);
  const [alone] = memoryEndpoints(1);
  const group = (axis: string) => new Group(axis, alone!, [0]);
  const run = async ({ values, shape, dtype }: ForwardInput) => {
    const x = tf.tensor(values, [...shape], dtype);
    const tape = new GradTape({ vjp: forwardOnly, store, group, meter, at: "forward" });
    let y = x as Held<"I">;
    for (const layer of model.layers) y = await layer.forward(tape, y);
    tape.drop(y);
    const result = (await y.data()) as Float32Array;
    tf.dispose([x, y]);
    return result;
  };
  return Object.assign(run, { dispose: () => store.dispose() });
}
