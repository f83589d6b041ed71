// A whole model on one device, forward only: for sampling and evaluation.
import * as tf from "@tensorflow/tfjs";
import type { DeviceChoice } from "./devices/device.ts";
import { activeDevice, useDevice } from "./devices/index.ts";
import { directGroup } from "./group/direct.ts";
import { Meter } from "./meter.ts";
import type { AnyModel } from "./model/model.ts";
import { elements, type Shape } from "./model/segment.ts";
import { momentOf } from "./params/moment.ts";
import { localStore } from "./params/store.ts";
import { dealSpecs, specsByUse } from "./plan/specs.ts";
import { GradTape } from "./rank/tape/tape.ts";
import { forwardOnly } from "./rank/tape/vjp.ts";
import { memoryEndpoints } from "./transports/memory.ts";

/** Whole parameters by name, row-major. */
export type Weights = ReadonlyMap<string, Float32Array>;

/** Values that a forward starts from, row-major, `[samples, ...field]`. */
export interface ForwardInput {
  readonly values: Float32Array | Int32Array;
  readonly shape: Shape;
  readonly dtype: "float32" | "int32";
}

/** Runs the model's layers; resolves to the values of their output. */
export interface Forward {
  (input: ForwardInput): Promise<Float32Array>;
  /** Frees the weights. */
  dispose(): void;
}

/**
 * Loads `weights` on `device`; absent, on the device that runs in this thread, or the default where none does. Throws where one is
 * missing or has another size.
 */
export async function forward(model: AnyModel, weights: Weights, device?: DeviceChoice): Promise<Forward> {
  if (device !== undefined || !activeDevice()) await useDevice(device);
  const specs = dealSpecs(model.layers, [], {});
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
  const group = (axis: string) => directGroup(axis, alone!, [0]);
  const owners = specsByUse(specs);
  const paramOf = (use: string) => owners.get(use)!.name;
  const uniform = (_: string, { shape }: tf.Tensor) => tf.ones(shape); // nothing is dropped
  const around = { training: false, batch: [] };
  const moment = (what: string) => momentOf(0, what, 0);
  const run = async ({ values, shape, dtype }: ForwardInput) => {
    const x = tf.tensor(values, [...shape], dtype);
    const tape = new GradTape({ vjp: forwardOnly, store, paramOf, group, meter, moment, uniform, ...around });
    let y: tf.Tensor = x;
    for (const layer of model.layers) y = await layer.forward(tape, y as never);
    tape.drop(y);
    const result = (await y.data()) as Float32Array;
    tf.dispose([x, y]);
    return result;
  };
  return Object.assign(run, { dispose: () => store.dispose() });
}
