// Layers of tf.layers that cannot be carried, by name, each with the way out: those whose result would depend on the mesh, and
// those that tfjs has no gradient for.
import type * as tf from "@tensorflow/tfjs";

type Config = Readonly<Record<string, unknown>>;
type Layer = tf.layers.Layer;

/** Says why a layer of this class, with this configuration, is refused; undefined where it is not. */
type Reason = (config: Config, layer: Layer) => string | undefined;

const always =
  (why: string): Reason =>
  () =>
    why;
const draws = always("draws random numbers of its own, which would differ by mesh: use tf.layers.dropout");
const masks = "masks are not carried: pad the samples, and leave what is padded out of a loss of your own";
const atRate = ({ dropout, recurrentDropout }: Config): string | undefined =>
  dropout || recurrentDropout
    ? "drops inside its steps, by numbers that would differ by mesh: put tf.layers.dropout before and after it"
    : undefined;
const recurrent: Reason = (config) =>
  config.stateful
    ? "is stateful: its state would pass from one batch to another, and a mesh deals samples anew: set stateful: false"
    : atRate(config);

/** Several dims a number, or one for all. */
const above1 = (rate: unknown): boolean => [rate].flat().some((size) => Number(size) > 1);
const dilated: Reason = ({ dilationRate }) =>
  above1(dilationRate) ? "is dilated, and tfjs has no gradient for that: set dilationRate: 1" : undefined;

const reasons: Readonly<Record<string, Reason>> = {
  BatchNormalization: (_, layer) =>
    layer.trainable
      ? "takes the mean of its batch, which a mesh deals to several ranks: sum over all of them with " +
        'fromLayersModel(model, { batchNormalization: "synchronised" }), use tf.layers.layerNormalization, or set ' +
        "trainable: false to keep the statistics that it has"
      : undefined,
  Dropout: ({ noiseShape }) => (noiseShape ? "has a noiseShape: leave it out" : undefined),
  AlphaDropout: draws,
  GaussianDropout: draws,
  GaussianNoise: draws,
  SpatialDropout1D: draws,
  RandomWidth: draws,
  Masking: always(masks),
  Embedding: ({ maskZero }) => (maskZero ? `sets maskZero, and ${masks}` : undefined),
  ThresholdedReLU: always("has no gradient in tfjs: use tf.layers.reLU"),
  Conv3DTranspose: always("has no gradient in tfjs: use tf.layers.upSampling2d and convolutions"),
  Conv1D: dilated,
  Conv2D: dilated,
  DepthwiseConv2D: dilated,
  SeparableConv2D: dilated,
  SimpleRNN: recurrent,
  GRU: recurrent,
  LSTM: recurrent,
  RNN: recurrent,
  ConvLSTM2D: recurrent,
};

/** Names of options that would add to the loss, or change weights after an update. */
function unseen(config: Config): string | undefined {
  const set = Object.entries(config).filter(([, value]) => value !== null && value !== undefined);
  const constraint = set.find(([name]) => /constraint$/i.test(name))?.[0];
  if (constraint) return `has ${constraint}: weights are cut over ranks, and none sees a whole one: leave it out`;
  const regularizer = set.find(([name]) => /regularizer$/i.test(name))?.[0];
  if (regularizer)
    return `has ${regularizer}: leave it out, and give the optimizer a decay: adamw({ lr, weightDecay })`;
  return undefined;
}

/** The layers inside a layer: of a nested model, of a wrapper, of a recurrent layer. */
function inside(layer: Layer): readonly Layer[] {
  const {
    layers,
    layer: wrapped,
    forwardLayer,
    backwardLayer,
    cell,
  } = layer as unknown as Readonly<Record<string, never>>;
  return [...((layers as readonly Layer[] | undefined) ?? []), wrapped, forwardLayer, backwardLayer, cell].filter(
    (found): found is Layer => found !== undefined,
  );
}

/** Says why a batch normalisation cannot be synchronised; undefined where it can. */
function unsynchronised(layer: Layer, within?: Layer): string | undefined {
  if (within) return `is inside "${within.name}", and can be synchronised beside it alone`;
  if (layer.inboundNodes.length > 1) return "runs twice, and its statistics would be of both: make two";
  return unseen(layer.getConfig());
}

/** What a caller asked for that is refused without. */
export interface Asked {
  readonly batchNormalization?: "synchronised";
}

/** Throws where a layer cannot be carried; `within` names the layer that it is a part of. */
export function refuse(layer: Layer, asked: Asked = {}, within?: Layer): void {
  const kind = layer.getClassName();
  if (kind === "BatchNormalization" && layer.trainable && asked.batchNormalization) {
    const why = unsynchronised(layer, within);
    if (why) throw new Error(`fromLayersModel: layer "${layer.name}" (${kind}) ${why}`);
    return;
  }
  const inner = within && kind === "Dropout" ? `drops inside "${within.name}": put it beside, not inside` : undefined;
  const config = inside(layer).length ? {} : layer.getConfig();
  const reason = inner ?? reasons[kind]?.(layer.getConfig(), layer) ?? unseen(config);
  if (reason) throw new Error(`fromLayersModel: layer "${layer.name}" (${kind}) ${reason}`);
  for (const part of inside(layer)) refuse(part, asked, within ?? layer);
}
