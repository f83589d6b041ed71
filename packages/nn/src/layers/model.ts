// A tf.LayersModel as a list of layers, so that every strategy can train it, and back. The model that is handed in stays as it is.
import type { Model, Weights } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { type Cut, type CutOptions, checkCut, cutsOf } from "./cut.ts";
import { type Graph, graphOf, type LayerRun, type LayerWeight, type Span, spansOf, weightsOf } from "./graph.ts";
import { isLossName, isSparse, type LossName, type LossSum, lossNames, lossSegment } from "./losses.ts";
import { refuse } from "./refuse.ts";
import { leaderOf, nameIn, toLayer } from "./spans.ts";
import { readWeights, rebuilt, type Start, startOf, type Topology, topologyOf } from "./values.ts";

/** Options of `fromLayersModel()`. */
export interface FromLayersOptions {
  /**
   * What is minimised: tfjs's name of a loss, or a function that sums it over samples; a list, one for each output, where there
   * are several. By default what the model was compiled with.
   */
  readonly loss?: LossName | LossSum | readonly (LossName | LossSum)[];
  /**
   * First values: "values" are those that the model has, "seed" draws new ones as its initializers say, the same in every worker.
   * By default "values" for a model that was trained, which its biases tell.
   */
  readonly start?: Start;
  /** Names first values that are drawn. 0 by default. */
  readonly seed?: number;
  /**
   * "synchronised" trains layers of batch normalisation, which are refused without: their statistics are those of a microbatch over all
   * ranks that share it, so with `micros: 1` those of the batch, on every mesh. Two small sums a layer, forward and backward.
   */
  readonly batchNormalization?: "synchronised";
  /** Dense and Embedding layers, by name, whose weights are cut over a mesh axis: give the result's `rules` to `tensorParallel`. */
  readonly cut?: CutOptions;
}

/** A `tf.LayersModel` that trains on a mesh. */
export interface CarriedModel extends Model {
  /** The architecture, as `toJSON` of the `tf.LayersModel` gives it. */
  readonly topology: Topology;
  /** Names of parameters, in the order of `getWeights` of the `tf.LayersModel`. */
  readonly parameters: readonly string[];
  /** Which of them are cut, and along which dim: for `tensorParallel({ rules })`. */
  readonly rules: readonly Cut[];
}

function lossesOf(model: tf.LayersModel, { loss = model.loss as never }: FromLayersOptions, outputs: number) {
  const losses: readonly unknown[] = Array.isArray(loss) ? loss : [loss];
  const names = lossNames.join(", ");
  if (loss === undefined)
    throw new Error(`fromLayersModel(model, { loss }): the model is not compiled, so say what is minimised: ${names}`);
  const odd = losses.find((one) => !isLossName(one) && typeof one !== "function");
  if (odd !== undefined)
    throw new Error(
      `fromLayersModel: the loss ${JSON.stringify(odd)} is none of ${names}, nor a function that sums one`,
    );
  if (losses.length !== outputs)
    throw new Error(`fromLayersModel: ${losses.length} losses for ${outputs} outputs: give one for each, as a list`);
  return losses as readonly (LossName | LossSum)[];
}

/** Each weight's first value. Frees the tensors of `copy`, whose layers are lent other weights whenever they run. */
async function firstValues(model: tf.LayersModel, copy: tf.LayersModel, start: Start | undefined) {
  const [values, made] = [await readWeights(model), await readWeights(copy)];
  const chosen = (start ?? startOf(values, made)) === "values" ? values : made;
  const weights = copy.weights as unknown as readonly LayerWeight[];
  for (const { val } of weights) val.dispose();
  return new Map(weights.map((weight, i) => [weight, chosen[i]!]));
}

/** Layers with weights that run in more than one span. */
function sharedIn(spans: readonly Span[]): Set<tf.layers.Layer> {
  const all = spans.flatMap(({ runs }) => [...new Set(runs.map(({ layer }) => layer))]);
  return new Set(all.filter((layer, i) => weightsOf(layer).length && all.indexOf(layer) < i));
}

/** Names of the spans, by their first layers with weights. */
function namesOf(spans: readonly Span[]): string[] {
  const leaders = spans.map((span) => leaderOf(span).name);
  return leaders.map((name, i) => (leaders.indexOf(name) < i ? `${name}.${i}` : name));
}

/** Parameter names of all weights, as `toLayer` gives them. */
function parameterNames(spans: readonly Span[], names: readonly string[]): Map<LayerWeight, string> {
  const found = new Map<LayerWeight, string>();
  for (const [i, span] of spans.entries())
    for (const { layer, weights } of span.runs)
      for (const weight of weights.filter((weight) => !found.has(weight)))
        found.set(
          weight,
          [names[i], ...(layer === leaderOf(span) ? [] : [layer.name]), nameIn(layer, weight)].join("."),
        );
  return found;
}

function checkOutputs({ outputs }: Graph) {
  return outputs.map(({ shape }) => {
    if (shape.includes(null))
      throw new Error(`fromLayersModel: an output has shape [${shape.map((n) => n ?? "?").join(", ")}]: fix its dims`);
    return shape as readonly number[];
  });
}

/**
 * Carries a `tf.Sequential` or functional `tf.LayersModel` over to this library: a layer for each layer with weights, or for each
 * block that skip connections hold together. Data parallelism, ZeRO and pipeline work on the result. Samples come in the shape of
 * the model's input or flat; several inputs, and several targets, one after the other. Throws, by name, for a layer that cannot be
 * carried, with the way out. The model itself stays as it is.
 */
export async function fromLayersModel(model: tf.LayersModel, options: FromLayersOptions = {}): Promise<CarriedModel> {
  if (!model.layers?.length) throw new Error("fromLayersModel: the model has no layers");
  for (const layer of model.layers) refuse(layer, options);
  const { cut = { layers: [] } } = options;
  checkCut(model.layers, cut);
  const topology = topologyOf(model);
  const copy = await rebuilt(topology, options.seed ?? 0);
  const graph = graphOf(copy);
  const losses = lossesOf(model, options, graph.outputs.length);
  const outputs = checkOutputs(graph);
  const values = await firstValues(model, copy, options.start);
  const spans = spansOf(graph);
  const names = namesOf(spans);
  const carried = { graph, values, shared: sharedIn(spans), cut };
  const measure = lossSegment(outputs.map((shape, i) => ({ shape, loss: losses[i]! })));
  const parameters = parameterNames(spans, names);
  const isCut = ({ layer }: LayerRun) => cut.layers.includes(layer.name);
  return {
    name: model.name,
    topology,
    ...(losses.length === 1 && isSparse(losses[0]!) && { indices: { target: outputs[0]!.at(-1)! } }),
    parameters: [...values.keys()].map((weight) => parameters.get(weight)!),
    rules: cutsOf(graph.runs.filter(isCut).flatMap(({ weights }) => weights.map((weight) => parameters.get(weight)!))),
    layers: spans.map((span, i) => toLayer(span, names[i]!, carried)),
    loss: (tape, y, target) => tape.local(measure, "", y, target),
  };
}

/** The model as a `tf.LayersModel` of its own, with `weights` that `train` returned; the caller's, to save or to predict with. */
export async function toLayersModel({ topology, parameters }: CarriedModel, weights: Weights): Promise<tf.LayersModel> {
  const model = await rebuilt(topology, 0);
  const shapes = model.getWeights().map(({ shape }) => shape);
  const tensors = parameters.map((name, i) => {
    const values = weights.get(name);
    if (!values)
      throw new Error(`toLayersModel: the weights have no ${name}; they have ${[...weights.keys()].join(", ")}`);
    return tf.tensor(values, shapes[i]!);
  });
  model.setWeights(tensors);
  tf.dispose(tensors);
  return model;
}
