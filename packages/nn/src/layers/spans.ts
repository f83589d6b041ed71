// A span of a tf.LayersModel's runs as one layer of this library: its parameters, and the segments that it walks over.
import type { Held, Layer, LayerParam, Tape } from "@orthant/core";
import type * as tf from "@tensorflow/tfjs";
import { dropout } from "../segments/dropout.ts";
import { synchronised } from "./batch-norm.ts";
import { callSegment } from "./call.ts";
import { type CutOptions, cutRun } from "./cut.ts";
import { type Graph, type LayerRun, type LayerWeight, type Port, type Span, weightsOf } from "./graph.ts";
import { pack, unpack } from "./parts.ts";
import { toInit } from "./values.ts";

/** What the layers of one model have in common. */
export interface Carried {
  readonly graph: Graph;
  /** First values of each weight. */
  readonly values: ReadonlyMap<LayerWeight, Float32Array>;
  /** Layers that run in several spans. */
  readonly shared: ReadonlySet<tf.layers.Layer>;
  /** Layers whose weights are cut over an axis. */
  readonly cut: CutOptions;
}

/** Tensors of one micro by their ids in the graph. */
type Tensors = Map<number, Held>;
type Apply = (tape: Tape, tensors: Tensors) => Promise<void>;

/** What a weight is called within its layer: `kernel`, `forward_lstm.bias`. */
export const nameIn = (layer: tf.layers.Layer, { originalName }: LayerWeight): string =>
  originalName.replace(`${layer.name}/`, "").replaceAll("/", ".");

/** The parameters of one layer; those of one that runs in several spans are tied. */
function paramsOf(layer: tf.layers.Layer, prefix: string, { values, shared }: Carried): LayerParam[] {
  const trained = layer.trainableWeights as unknown as readonly LayerWeight[];
  const rest = isSynchronised(layer) ? { average: layer.getConfig().momentum as number } : { frozen: true };
  return weightsOf(layer).map((weight) => ({
    name: prefix + nameIn(layer, weight),
    shape: weight.shape,
    init: toInit(values.get(weight)!),
    ...(!trained.includes(weight) && rest),
    ...(shared.has(layer) && { tie: `${layer.name}.${nameIn(layer, weight)}` }),
  }));
}

/** One that trains was asked for: `refuse` lets no other pass. */
const isSynchronised = (layer: tf.layers.Layer): boolean =>
  layer.getClassName() === "BatchNormalization" && layer.trainable;

/** One run of a layer; `at` is where its parameters are, `name` that of its random numbers. */
function applyOf(run: LayerRun, at: string, name: string, cut: CutOptions): Apply {
  const { layer, takes, gives, weights } = run;
  if (layer.getClassName() === "Dropout") {
    const drop = dropout(layer.getConfig().rate as number);
    return async (tape, tensors) => {
      const x = tensors.get(takes[0]!)!;
      tensors.set(gives, await tape.local(drop, "", x, await tape.random(name).uniform(x)));
    };
  }
  const names = weights.map((weight) => nameIn(layer, weight));
  const isCut = cut.layers.includes(layer.name);
  if (isCut || isSynchronised(layer)) {
    const apply = isCut ? cutRun(run, names, at, cut.axis ?? "tp") : synchronised(run, names, at);
    return async (tape, tensors) => {
      tensors.set(gives, await apply(tape, tensors.get(takes[0]!)!));
    };
  }
  const call = callSegment(run, names);
  return async (tape, tensors) => {
    tensors.set(gives, await tape.local(call, at, ...takes.map((id) => tensors.get(id)!)));
  };
}

const isFixed = (port: Port): port is Port & { readonly shape: readonly number[] } => !port.shape.includes(null);

/** Takes a sample apart into the model's inputs. One alone may have open dims. */
function opening(inputs: readonly Port[], packed: number): Apply {
  const fixed = inputs.filter(isFixed);
  if (fixed.length < inputs.length) {
    if (inputs.length > 1) throw new Error("fromLayersModel: of several inputs, each needs a full shape");
    return async (_, tensors) => {
      tensors.set(inputs[0]!.id, tensors.get(packed)!);
    };
  }
  const segments = unpack(fixed.map(({ shape }) => shape));
  return async (tape, tensors) => {
    const x = tensors.get(packed)!;
    for (const [i, { id }] of inputs.entries()) tensors.set(id, await tape.local(segments[i]!, "", x));
  };
}

/** The layer that names a span: the first with weights. */
export const leaderOf = ({ runs }: Span): tf.layers.Layer =>
  (runs.find(({ weights }) => weights.length) ?? runs[0]!).layer;

/** A span as a layer called `name`. */
export function toLayer(span: Span, name: string, carried: Carried): Layer {
  const { takes = Number.NaN, runs, gives } = span; // no id is NaN: what stands for the model's packed inputs
  const leader = leaderOf(span);
  const within = (layer: tf.layers.Layer) => (layer === leader ? "" : `.${layer.name}`);
  const { cut } = carried;
  const { inputs, runs: all } = carried.graph;
  const steps = runs.map((run) => applyOf(run, name + within(run.layer), `${run.layer.name} ${all.indexOf(run)}`, cut));
  if (span.takes === undefined) steps.unshift(opening(inputs, takes));
  const layers = [...new Set(runs.map(({ layer }) => layer))];
  return {
    name,
    params: layers.flatMap((layer) => paramsOf(layer, layer === leader ? "" : `${layer.name}.`, carried)),
    async forward(tape, x) {
      const tensors: Tensors = new Map([[takes, x]]);
      for (const step of steps) await step(tape, tensors);
      const ys = gives.map((id) => tensors.get(id)!);
      return ys.length === 1 ? ys[0]! : tape.local(pack, "", ...ys);
    },
  };
}
