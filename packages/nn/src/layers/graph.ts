// A tf.LayersModel as this package sees it: its layers in the order in which they run, and where that order can be cut so that one
// tensor alone crosses. No tensors; tfjs's graph is read here and nowhere else.
import type { Shape } from "@orthant/core";
import type * as tf from "@tensorflow/tfjs";

/** The parts of tfjs 4's classes that its types keep to themselves. */
interface GraphNode {
  readonly outboundLayer: tf.layers.Layer;
  readonly inputTensors: readonly tf.SymbolicTensor[];
  readonly outputTensors: readonly tf.SymbolicTensor[];
}
interface Container {
  readonly nodesByDepth: Readonly<Record<string, readonly GraphNode[]>>;
  readonly inputs: readonly tf.SymbolicTensor[];
  readonly outputs: readonly tf.SymbolicTensor[];
}

/** A weight of a layer: `val` is what the layer computes with. */
export interface LayerWeight {
  readonly originalName: string;
  readonly shape: Shape;
  val: tf.Tensor;
}

/** One run of a layer. A layer that is used twice has two. */
export interface LayerRun {
  readonly layer: tf.layers.Layer;
  readonly weights: readonly LayerWeight[];
  /** Ids of the tensors that it takes, and of the one that it gives. */
  readonly takes: readonly number[];
  readonly gives: number;
}

/** Whatever goes into a model or comes out of it; `null` for a dim that the model leaves open. */
export interface Port {
  readonly id: number;
  /** Dims of one sample: the batch is left out. */
  readonly shape: readonly (number | null)[];
}

export interface Graph {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** Runs in an order in which each may begin. */
  readonly runs: readonly LayerRun[];
}

const ports = (tensors: readonly tf.SymbolicTensor[]): Port[] =>
  tensors.map(({ id, shape }) => ({ id, shape: shape.slice(1) }));

export const weightsOf = (layer: tf.layers.Layer): readonly LayerWeight[] =>
  layer.weights as unknown as readonly LayerWeight[];

function toRun({ outboundLayer: layer, inputTensors, outputTensors }: GraphNode): LayerRun {
  const [output, ...others] = outputTensors;
  if (others.length) throw new Error(`layer "${layer.name}" gives ${outputTensors.length} tensors: let it give one`);
  return { layer, weights: weightsOf(layer), takes: inputTensors.map(({ id }) => id), gives: output!.id };
}

/** A `tf.Sequential` keeps its graph in a model of its own, made when it is first needed. */
function containerOf(model: tf.LayersModel): Container {
  if (model.getClassName() !== "Sequential") return model as unknown as Container;
  const { inputs } = model as { inputs?: readonly unknown[] };
  if (!inputs?.length)
    throw new Error("fromLayersModel: the first layer does not say what it takes: give it inputShape");
  (model as tf.Sequential & { build(): void }).build();
  return (model as unknown as { model: Container }).model;
}

/** Reads the graph of a model. */
export function graphOf(model: tf.LayersModel): Graph {
  const inner = containerOf(model);
  const depths = Object.keys(inner.nodesByDepth).map(Number);
  const nodes = depths.toSorted((a, b) => b - a).flatMap((depth) => inner.nodesByDepth[depth]!);
  const runs = nodes.filter(({ outboundLayer }) => outboundLayer.getClassName() !== "InputLayer").map(toRun);
  return { inputs: ports(inner.inputs), outputs: ports(inner.outputs), runs };
}

/** Consecutive runs that take one tensor from what is before them. */
export interface Span {
  /** Id of the tensor that comes in; of the first span, which takes the model's inputs, undefined. */
  readonly takes: number | undefined;
  readonly runs: readonly LayerRun[];
  /** Ids of what goes on: one tensor, or the model's outputs. */
  readonly gives: readonly number[];
}

/** Ids of the tensors that runs from `at` on, or whoever wants the outputs, take from before. */
function crossing({ inputs, outputs, runs }: Graph, at: number): number[] {
  const made = new Set([...inputs.map(({ id }) => id), ...runs.slice(0, at).map(({ gives }) => gives)]);
  const taken = [...runs.slice(at).flatMap(({ takes }) => takes), ...outputs.map(({ id }) => id)];
  return [...new Set(taken.filter((id) => made.has(id)))];
}

/** Indices have no gradient to hand back over a cut: what leads to an embedding stays with it. */
const mayOpen = ({ layer, weights }: LayerRun): boolean => weights.length > 0 && layer.getClassName() !== "Embedding";

/** Cuts the runs before each layer with weights wherever one tensor alone crosses. A skip connection is never cut. */
export function spansOf(graph: Graph): Span[] {
  const spans: Span[] = [];
  let [from, takes] = [0, undefined as number | undefined];
  for (const [at, run] of graph.runs.entries()) {
    const before = graph.runs.slice(from, at);
    if (!mayOpen(run) || !before.some(({ weights }) => weights.length)) continue;
    const gives = crossing(graph, at);
    if (gives.length > 1) continue;
    spans.push({ takes, runs: before, gives });
    [from, takes] = [at, gives[0]];
  }
  return [...spans, { takes, runs: graph.runs.slice(from), gives: graph.outputs.map(({ id }) => id) }];
}
