// `npm run bench -- halves`: for every segment with parameters, the gradients of its inputs and then of its parameters, against
// both at once, at the sizes of the cpu benchmark's GPT (an embedding has no first half: indices carry no gradient). Sides take
// turns, and each is known by its fastest run.
import { type Everywhere, rebind, type Segment, useDevice } from "@orthant/core";
import { segments } from "@orthant/nn";
import * as tf from "@tensorflow/tfjs";
import { batch, sizes } from "./cpu-model.ts";

const { width: D, heads: H, context: T, vocab: V } = sizes;
const [B, F, K] = [batch, 4 * D, D / H];
const x_BTD = [B, T, D];
const weights_DHK = [
  [D, H, K],
  [D, H, K],
  [D, H, K],
  [H, K, D],
];

/** Shapes of parameters and inputs. */
type Shapes = readonly [params: readonly number[][], xs: readonly number[][]];

const shapes: Readonly<Record<string, Shapes>> = {
  attention: [[...weights_DHK, [H, K], [H, K], [H, K]], [x_BTD]],
  attentionWithoutBias: [weights_DHK, [x_BTD]],
  layerNorm: [[[D], [D]], [x_BTD]],
  rmsNorm: [[[D]], [x_BTD]],
  mlp: [[[D, F], [F], [F, D]], [x_BTD]],
  residual: [[[D]], [x_BTD, x_BTD]],
  linear: [[[D, V], [V]], [x_BTD]],
  linearWithoutBias: [[[D, V]], [x_BTD]],
};

/** CPU milliseconds of a backward at once, and in its two halves. */
type Times = readonly [whole: number, inputs: number, weights: number];

/** Runs and forgets; the CPU time that it took in ms, which neighbours on the machine hardly disturb. */
function timed(run: () => (tf.Tensor | undefined)[]): number {
  const from = process.cpuUsage();
  const grads = run();
  const { user, system } = process.cpuUsage(from);
  tf.dispose(grads.filter((grad) => grad !== undefined));
  return (user + system) / 1000;
}

function forward({ run, params }: Segment<Everywhere, Everywhere>, all: readonly tf.Tensor[]) {
  const linearized = rebind((...given) => run(given.slice(0, params.length), ...given.slice(params.length)), all);
  linearized.y.dispose();
  return linearized;
}

function atOnce(segment: Segment<Everywhere, Everywhere>, all: readonly tf.Tensor[], dy: tf.Tensor): number {
  const linearized = forward(segment, all);
  return timed(() => linearized.pullback(dy, all));
}

function inHalves(
  segment: Segment<Everywhere, Everywhere>,
  all: readonly tf.Tensor[],
  dy: tf.Tensor,
): [number, number] {
  const linearized = forward(segment, all);
  const isInput = all.map((_, i) => i >= segment.params.length);
  const half = (inputs: boolean) =>
    timed(() =>
      linearized.part(
        dy,
        all,
        isInput.map((is) => is === inputs),
      ),
    );
  const times: [number, number] = [half(true), half(false)];
  linearized.drop();
  return times;
}

/** One backward at once and one in halves, each first in every other turn. */
function turn(
  segment: Segment<Everywhere, Everywhere>,
  all: readonly tf.Tensor[],
  dy: tf.Tensor,
  count: number,
): Times {
  if (count % 2) return [atOnce(segment, all, dy), ...inHalves(segment, all, dy)];
  const [inputs, weights] = inHalves(segment, all, dy);
  return [atOnce(segment, all, dy), inputs, weights];
}

function fastest(name: string, [params, xs]: Shapes, turns: number): Times {
  const segment = (segments as unknown as Record<string, Segment<Everywhere, Everywhere>>)[name]!;
  const all = [...params, ...xs].map((shape) => tf.randomUniform(shape, -0.1, 0.1, "float32", 1));
  const dy = tf.randomUniform([...segment.shape(params, ...xs).shape], -1, 1, "float32", 2);
  const times = Array.from({ length: turns }, (_, count) => turn(segment, all, dy, count));
  tf.dispose([...all, dy]);
  return [0, 1, 2].map((side) => Math.min(...times.map((t) => t[side]!))) as unknown as Times;
}

const bar = 1.1;
await useDevice("wasm");
console.log("segment               whole ms   inputs  weights  halves / whole, CPU time");
let met = true;
for (const [name, shape] of Object.entries(shapes)) {
  const [whole, inputs, weights] = fastest(name, shape, 40);
  const ratio = (inputs + weights) / whole;
  met &&= ratio <= bar;
  const columns = [whole, inputs, weights].map((ms) => ms.toFixed(2).padStart(8)).join(" ");
  console.log(`${name.padEnd(20)} ${columns}  ${ratio.toFixed(2)} ${ratio <= bar ? "meets" : "MISSES"} <= ${bar}`);
}
process.exitCode = met ? 0 : 1;
