// What the tests of whole runs share: a small MLP whose parameters can be tied, frozen and given auxiliary losses, vectors to
// learn, and a run over the memory transport with everything that it told.
import { mlp } from "@orthant/nn";
import { runRanks } from "../src/hosts/run.ts";
import {
  type Data,
  fillUniform,
  type Held,
  type Layer,
  type LayerParam,
  type Model,
  memory,
  type Outcome,
  type Plan,
  plan,
  randomKey,
  type StepReport,
  segment,
  sgd,
  type Tape,
  type TrainOptions,
} from "../src/index.ts";
import { assemble } from "../src/plan/assemble.ts";

const width = 4;

/** Layers `in`, `0` to `3` and `out`; `change` may tie or freeze a parameter, told by its whole name. */
export function small(change: (name: string) => Partial<LayerParam> = () => ({}), layers = 4): Model {
  const model = mlp({ inputs: width, outputs: width, layers, width, hidden: 6 });
  const changed = (layer: Layer): Layer => ({
    ...layer,
    params: layer.params.map((param) => ({ ...param, ...change(`${layer.name}.${param.name}`) })),
  });
  return { ...model, layers: model.layers.map(changed) };
}

export const squares = segment({
  name: "squares",
  params: [],
  run: (_, x) => x!.square().sum(),
  shape: (_, x = []) => ({ shape: [], flops: 0, kept: x.reduce((n, size) => n * size, 1) }),
});

/** The model with what `after` does to the output of each layer. */
export const following = (model: Model, after: (tape: Tape, y: Held, layer: string) => Promise<Held>): Model => ({
  ...model,
  layers: model.layers.map((layer) => ({
    ...layer,
    forward: async (tape: Tape, x: Held) => after(tape, await layer.forward(tape, x), layer.name),
  })),
});

export const vectors: Data = {
  input: { shape: [width], dtype: "float32" },
  target: { shape: [width], dtype: "float32" },
  tokens: 1,
  sample(index, seed) {
    const values = new Float32Array(2 * width);
    fillUniform(randomKey(seed, "vectors"), index * values.length, values);
    return { input: values.slice(0, width), target: values.slice(width) };
  },
};

export const training = (over: Partial<TrainOptions> = {}): TrainOptions => ({
  model: small(),
  data: vectors,
  batch: 8,
  micros: 4,
  optimizer: sgd({ lr: 0.05, momentum: 0.9 }),
  clip: 1,
  steps: 4,
  device: "cpu",
  run: false,
  quiet: true,
  collect: true,
  ...over,
});

export interface Ran {
  readonly plan: Plan;
  readonly losses: readonly number[];
  readonly reports: readonly StepReport[];
  readonly weights: ReadonlyMap<string, Float32Array>;
  readonly outcomes: readonly Outcome[];
}

/** Trains on the memory transport. */
export async function ran(over: Partial<TrainOptions> = {}, stop = new AbortController().signal): Promise<Ran> {
  const options = training(over);
  const decided = await plan(options);
  const reports: StepReport[] = [];
  const events = { onStep: (report: StepReport) => void reports.push(report) };
  const outcomes = await runRanks(memory({ stall: 10_000 }), { options, plan: decided, events, stop });
  const pieces = outcomes.map((outcome) => outcome.pieces);
  return { plan: decided, losses: outcomes[0]!.losses, reports, weights: assemble(decided, pieces), outcomes };
}

/** What must have the same bits: the losses and norms of every step, the parameters after the last. */
export const bits = ({ reports, weights }: Ran) => ({
  steps: reports.map(({ loss, norm, auxiliary }) => ({ loss, norm, auxiliary })),
  weights: new Map([...weights].map(([name, values]) => [name, [...values]])),
});
