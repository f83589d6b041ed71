// Tensor parallelism in models of tf.layers: a Dense layer whose units, or an Embedding whose columns, are cut over the members of an axis
// (Shoeybi et al.: Megatron-LM, 2019, by columns). What comes out is joined, so that any layer may follow; layers that are not cut are
// whole on every member.
import { type Crossing, gather, type Held, segment, type Tape } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { callSegment } from "./call.ts";
import type { LayerRun } from "./graph.ts";

/** A parameter whose name ends so is cut along this dim: for `tensorParallel({ rules })`. */
export interface Cut {
  readonly ends: string;
  readonly dim: number;
}

/** Layers to cut, and the mesh axis, in the user's word. */
export interface CutOptions {
  readonly layers: readonly string[];
  /** "tp" by default. */
  readonly axis?: string;
}

const scaled = (shape: readonly number[], dim: number, factor: number): number[] =>
  shape.map((size, d) => (d === dim ? size * factor : size));

/** V -> I: joins the members' shards along `dim`; in backward each takes its part of a gradient that all have. */
const join = (dim: number): Crossing<"V", "I"> => ({
  ...gather(dim),
  name: `join ${dim}`,
  to: "I",
  back: () => part(dim),
});

/** I -> V: takes this member's shard along `dim`. Sends nothing. */
const part = (dim: number): Crossing<"I", "V"> => ({
  name: `part ${dim}`,
  from: "I",
  to: "V",
  apply: async ({ rank, size }, x) => {
    const length = x.shape[dim]! / size;
    const begin = x.shape.map((_, d) => (d === dim ? rank * length : 0));
    return tf.slice(x, begin, scaled(x.shape, dim, 1 / size));
  },
  back: () => join(dim),
  shape: (x, members) => scaled(x, dim, 1 / members),
  calls: () => [],
});

/** Activations that look at all units of a row at once. */
const wide: readonly unknown[] = ["softmax", "log_softmax", "logSoftmax"];

/** Refuses, by name, a layer that cannot be cut. */
export function checkCut(layers: readonly tf.layers.Layer[], { layers: names }: CutOptions): void {
  for (const name of names) {
    const who = `fromLayersModel(model, { cut }): layer "${name}"`;
    const layer = layers.find((one) => one.name === name);
    if (!layer) throw new Error(`${who} is not there: the model has ${layers.map((one) => one.name).join(", ")}`);
    const kind = layer.getClassName();
    if (kind !== "Dense" && kind !== "Embedding")
      throw new Error(`${who} (${kind}) cannot be cut: Dense and Embedding can, and others are whole on every member`);
    const { activation } = layer.getConfig();
    if (wide.includes(activation))
      throw new Error(
        `${who} has activation ${activation}, which is over all its units: put it in a layer of its own, or do not cut it`,
      );
  }
}

/** How the weights of a layer that is cut are cut: kernels and tables by columns, biases. */
export const cutsOf = (names: readonly string[]): Cut[] =>
  names.map((ends) => ({ ends, dim: ends.endsWith("bias") ? 0 : 1 }));

/** A run of a layer that is cut along `axis`, with `names` for its weights at `at`. */
export function cutRun(run: LayerRun, names: readonly string[], at: string, axis: string) {
  const whole = callSegment(run, names);
  const embeds = run.layer.getClassName() === "Embedding";
  const columns = segment({
    name: whole.name,
    from: { [axis]: "R" },
    to: { [axis]: "V" },
    params: names,
    run: embeds ? ([table], x) => tf.gather(table!, x!.cast("int32")) : whole.run,
    shape: (params, ...xs) => {
      const sizes = whole.shape(params, ...xs);
      return { ...sizes, shape: [...sizes.shape.slice(0, -1), params[0]!.at(-1)!] };
    },
  });
  return async (tape: Tape, x: Held): Promise<Held> => {
    const y = await tape.local(columns, at, await tape.enter(axis, x));
    return tape.move(axis, join(y.shape.length - 1), y as never);
  };
}
