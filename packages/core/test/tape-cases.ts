// What the tests of the tape share: segments, and one member of a group with its store, gradients, tape and meter.
import * as tf from "@tensorflow/tfjs";
import { directGroup, type Endpoint, Meter, type ParamSpec, rebind, segment } from "../src/index.ts";
import { Gradients } from "../src/params/gradients.ts";
import { momentOf } from "../src/params/moment.ts";
import { localStore } from "../src/params/store.ts";
import type { Half } from "../src/rank/tape/segment-step.ts";
import { GradTape } from "../src/rank/tape/tape.ts";

export const product = segment({
  name: "product",
  from: { tp: "R" },
  to: { tp: "P" },
  params: ["w"],
  run: ([w], x) => tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D),
});
export const squares = segment({ name: "squares", params: [], run: (_, x) => x!.square().sum() });
export const add = segment({ name: "add", params: [], run: (_, x, y) => x!.add(y!) });
export const negative = segment({ name: "neg", params: [], run: (_, x) => x!.neg() });

const spec: ParamSpec = {
  name: "a.w",
  shape: [3, 3],
  uses: [{ name: "a.w", layer: 0 }],
  init: { kind: "constant", value: 0 },
  split: {},
};
/** Weights of member `at`. */
export const weights = (at: number) => Float32Array.from({ length: 9 }, (_, i) => Math.sin(1 + i + 5 * at));
export const input = () => tf.tensor2d([1, 2, 3, -1, 0, 2], [2, 3]);

export interface Way {
  readonly vjp?: typeof rebind;
  readonly half?: Half;
}

/** One member of a group of all endpoints, with its store, gradients, tape and meter. */
export function member(endpoint: Endpoint, { vjp = rebind }: Way = {}, x?: tf.Tensor) {
  const meter = new Meter();
  const store = localStore([{ spec, shape: [3, 3], values: weights(endpoint.rank) }], meter);
  const ranks = Array.from({ length: endpoint.size }, (_, i) => i);
  const group = directGroup("tp", endpoint, ranks);
  const gradients = new Gradients({
    trained: [{ name: "a.w", shape: [3, 3], uses: ["a.w"], additions: 1, piece: 9 }],
    meter,
    combine: async (_, sums) => sums.flat(),
    reductions: [],
    bucketBytes: 0,
  });
  const uniform = (_: string, { shape }: tf.Tensor) => tf.fill(shape, 0.5);
  const moment = (what: string) => momentOf(0, what, 0);
  const at = { training: true, batch: [], moment, paramOf: (use: string) => use, group: () => group, uniform };
  const free = () => {
    gradients.dispose();
    store.dispose();
  };
  return { meter, store, gradients, tape: new GradTape({ vjp, store, gradients, meter, ...at }, x), free };
}
