// The model under fixtures: a tiny GPT that carries any union of their features, so that any two strategies can be put on one
// model. The same computation on every mesh; plain blocks where no feature is asked for.
import {
  type AnyModel,
  allToAll,
  cutAlong,
  type Data,
  type Held,
  type Init,
  type Layer,
  type LayerParam,
  type Model,
  type Segment,
  shift,
  type Tape,
} from "@orthant/core";
import { segments } from "@orthant/nn";
import type { Features } from "./fixture.ts";
import { combine, dispatch, embedding, experts, meanSquare, mix, project, see, unembed } from "./fixture-segments.ts";
import { tinySequences } from "./tiny.ts";

/** Sizes of the fixture model: 1, 2, 3 and 4 divide heads, positions, experts and hidden widths, and there are 4 blocks. */
export const fixtureSizes = {
  blocks: 4,
  width: 24,
  heads: 12,
  context: 12,
  vocab: 12,
  hidden: 48,
  experts: 12,
} as const;

/** Samples for it: sequences with something to learn. */
export const fixtureData: Data = tinySequences(fixtureSizes);

const { blocks, width, heads, context, vocab, hidden } = fixtureSizes;

type Stream = Held<{ cp: "V" }>;
type Inner = Held<{ tp: "R"; cp: "V" }>;
type Partial = Held<{ tp: "P"; cp: "V" }>;

const norm = cutAlong(segments.layerNorm, "cp");
const mlp = cutAlong(segments.mlp, "cp");
const residual = cutAlong(segments.residual, "cp");
const drop = cutAlong(segments.dropout(0.25), "cp");
const crossEntropy = cutAlong(segments.crossEntropy, "cp");
/** Sees whole sequences: `plan` refuses it where cp has members, which the compiler would have done, but for these words. */
const whole = segments.attentionWithoutBias as unknown as Segment<{ tp: "R"; cp: "V" }, { tp: "P"; cp: "V" }>;

/** Causal attention over keys and values that travel round the members of cp (Liu et al.: Ring attention, 2023). */
async function ring(tape: Tape, at: string, x: Inner): Promise<Partial> {
  const { rank, size } = tape.at("cp");
  const query = await tape.local(project("query"), at, x);
  let key = await tape.local(project("key"), at, x);
  let value = await tape.local(project("value"), at, x);
  let seen = await tape.local(see(rank, rank), "", query, key, value);
  for (let i = 1; i < size; i++) {
    key = await tape.move("cp", shift(1), key);
    value = await tape.move("cp", shift(1), value);
    seen = await tape.local(see(rank, (rank - i + size) % size), "", query, key, value, seen);
  }
  return tape.local(mix, at, seen);
}

/** Tokens go to the member of ep that holds their expert, and come back (Lepikhin et al.: GShard, 2020). */
async function toExperts(tape: Tape, at: string, x: Stream): Promise<Stream> {
  const { rank, size } = tape.at("cp");
  const mine = await tape.local(dispatch(fixtureSizes.experts, rank), "", x);
  const theirs = await tape.local(experts, `${at}.experts`, await tape.move("ep", allToAll(0, 1), mine));
  return tape.local(combine(context / size, rank), "", await tape.move("ep", allToAll(1, 0), theirs));
}

async function throughMlp(tape: Tape, at: string, x: Stream): Promise<Stream> {
  return tape.leave("tp", await tape.local(mlp, `${at}.mlp`, await tape.enter("tp", x)));
}

const normal = (std: number): Init => ({ kind: "normal", std });
const constant = (value: number): Init => ({ kind: "constant", value });

const normParams = (name: string): LayerParam[] => [
  { name: `${name}.gain`, shape: [width], init: constant(1) },
  { name: `${name}.bias`, shape: [width], init: constant(0) },
];

const weight = (name: string, shape: readonly number[], std = 0.2): LayerParam => ({ name, shape, init: normal(std) });

const mlpParams: readonly LayerParam[] = [
  weight("mlp.up", [width, hidden]),
  { name: "mlp.upBias", shape: [hidden], init: constant(0) },
  weight("mlp.down", [hidden, width], 0.07),
];

const expertParams: readonly LayerParam[] = [
  weight("experts.up", [fixtureSizes.experts, width, hidden / 6]),
  weight("experts.down", [fixtureSizes.experts, hidden / 6, width], 0.2),
];

const blockParams = (features: Features): LayerParam[] => [
  ...normParams("norm1"),
  ...["query", "key", "value"].map((name) => weight(`attn.${name}`, [width, heads, width / heads])),
  weight("attn.out", [heads, width / heads, width], 0.07),
  { name: "add1.bias", shape: [width], init: constant(0) },
  ...normParams("norm2"),
  ...(features.experts ? expertParams : mlpParams),
  { name: "add2.bias", shape: [width], init: constant(0) },
];

function block(name: string, features: Features): Layer<{ cp: "V" }> {
  const attend = features.ring ? ring : (tape: Tape, at: string, x: Inner) => tape.local(whole, at, x);
  const feed = features.experts ? toExperts : throughMlp;
  const dropped = async (tape: Tape, at: string, x: Stream): Promise<Stream> =>
    features.dropout ? tape.local(drop, "", x, await tape.random(at).uniform(x)) : x;
  return {
    name,
    params: blockParams(features),
    async forward(tape, x) {
      const normed1 = await tape.enter("tp", await tape.local(norm, `${name}.norm1`, x));
      const mixed = await tape.leave("tp", await attend(tape, `${name}.attn`, normed1));
      const h = await tape.local(residual, `${name}.add1`, x, await dropped(tape, `${name}.drop1`, mixed));
      const fed = await feed(tape, name, await tape.local(norm, `${name}.norm2`, h));
      const y = await tape.local(residual, `${name}.add2`, h, await dropped(tape, `${name}.drop2`, fed));
      if (features.auxiliary) tape.addLoss("square", await tape.local(meanSquare, "", y));
      return y;
    },
  };
}

const table = (name: string, tied = false): LayerParam => ({
  ...weight(name, [vocab, width]),
  ...(tied && { tie: "tokens" }),
});

const embed = ({ tied }: Features): Layer<{ cp: "V" }> => ({
  name: "embed",
  params: [table("tokens", tied), weight("positions", [context, width])],
  forward: (tape, x) => tape.local(embedding(tape.at("cp").rank), "embed", x),
});

const head = ({ tied }: Features): Layer<{ cp: "V" }> => ({
  name: "head",
  params: [...normParams("norm"), table("weight", tied)],
  forward: async (tape, x) => tape.local(unembed, "head", await tape.local(norm, "head.norm", x)),
});

/**
 * Sequences `[B, 12]` (int32) to logits `[B, 12, 12]`, for the tests of strategies. Layers: `embed`, `0` to `3`, `head`. Attention is cut
 * along "tp" by heads, along "cp" by positions if `ring`; experts are cut along "ep". No feature needs another.
 */
export function fixtureModel(features: Features = {}): AnyModel {
  const model: Model<{ cp: "V" }> = {
    name: "fixture",
    layers: [embed(features), ...Array.from({ length: blocks }, (_, i) => block(`${i}`, features)), head(features)],
    loss: (tape, y, target) => tape.local(crossEntropy, "", y, target),
  };
  return model;
}
