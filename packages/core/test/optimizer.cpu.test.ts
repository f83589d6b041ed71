// Optimizers against the published update rules, written out in plain numbers; learning rates; the norm.
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, test } from "vitest";
import { sumOfSquares } from "../src/devices/kernels/squares.ts";
import { readSquares } from "../src/devices/read.ts";
import {
  adamw,
  constant,
  cosine,
  type LearningRate,
  type Optimizer,
  type ParamSpec,
  plateau,
  type Seen,
  sgd,
  useDevice,
} from "../src/index.ts";

const matrix: ParamSpec = { name: "w", shape: [2, 2], init: { kind: "constant", value: 0 }, uses: [], split: {} };
const vector: ParamSpec = { ...matrix, shape: [4] };
const start = [1, -2, 0.5, 3];
const gradient = (step: number) => start.map((x, i) => Math.sin(step + i) * (1 + x));

/** Values after `steps` updates. */
function run(optimizer: Optimizer, spec: ParamSpec, steps: number, scale = 1): number[] {
  let value: tf.Tensor = tf.tensor(start, [...spec.shape]);
  let slots: tf.Tensor[] = Array.from({ length: optimizer.slots }, () => tf.zerosLike(value));
  for (let step = 0; step < steps; step++) {
    const grad = tf.tensor(gradient(step), [...spec.shape]);
    const [next, ...rest] = tf.tidy(() =>
      optimizer.update(value, grad, slots, { spec, step, scale, lr: optimizer.lr(step) }),
    );
    tf.dispose([value, grad, ...slots]);
    value = next!;
    slots = rest;
  }
  const values = [...value.dataSync()];
  tf.dispose([value, ...slots]);
  return values;
}

/** Decoupled weight decay, algorithm 2 of the paper: lambda here is in units of the learning rate. */
function adamwByHand(steps: number, lr: (step: number) => number, decay: number, scale: number): number[] {
  const [beta1, beta2, eps] = [0.9, 0.95, 1e-8];
  return start.map((x0, i) => {
    let x = x0;
    let m = 0;
    let v = 0;
    for (let t = 1; t <= steps; t++) {
      const g = scale * gradient(t - 1)[i]!;
      m = beta1 * m + (1 - beta1) * g;
      v = beta2 * v + (1 - beta2) * g * g;
      const mHat = m / (1 - beta1 ** t);
      const vHat = v / (1 - beta2 ** t);
      x -= lr(t - 1) * (mHat / (Math.sqrt(vHat) + eps) + decay * x);
    }
    return x;
  });
}

function close(found: number[], expected: number[]): void {
  for (const [i, value] of found.entries()) expect(value).toBeCloseTo(expected[i]!, 5);
}

describe.each(["cpu", "wasm"] as const)("on %s", (device) => {
  beforeAll(() => useDevice(device));

  describe("adamw", () => {
    const lr = (step: number) => 0.1 / (1 + step);
    const optimizer = adamw({ lr, beta2: 0.95, weightDecay: 0.2 });

    test.each([1, 2, 10])("%i steps on a matrix decay it", (steps) =>
      close(run(optimizer, matrix, steps), adamwByHand(steps, lr, 0.2, 1)),
    );
    test.each([1, 2, 10])("%i steps on a vector do not", (steps) =>
      close(run(optimizer, vector, steps), adamwByHand(steps, lr, 0, 1)),
    );
    test("a clipped gradient is scaled first", () =>
      close(run(optimizer, matrix, 5, 0.25), adamwByHand(5, lr, 0.2, 0.25)));
    test("refuses betas that are none", () => {
      expect(() => adamw({ lr: 1, beta1: 1 })).toThrow("adamw({ beta1 }) is 1; it must be at least 0 and below 1");
      expect(() => adamw({ lr: 1, beta2: -1 })).toThrow("adamw({ beta2 }) is -1");
    });
  });

  describe("sgd", () => {
    test.each([0, 0.9])("with momentum %f", (momentum) => {
      const expected = start.map((x0, i) => {
        let x = x0;
        let velocity = 0;
        for (let t = 0; t < 6; t++) {
          velocity = momentum * velocity + 0.5 * gradient(t)[i]!;
          x -= 0.1 * velocity;
        }
        return x;
      });
      close(run(sgd({ lr: 0.1, momentum }), matrix, 6, 0.5), expected);
    });

    test("without momentum has no state", () => {
      expect(sgd({ lr: 1 }).slots).toBe(0);
      expect(() => sgd({ lr: 1, momentum: 1.5 })).toThrow(
        "sgd({ momentum }) is 1.5; it must be at least 0 and below 1",
      );
    });
  });

  test.each([1, 255, 256, 257, 1000])("the sum of squares of part of %i elements", async (n) => {
    const x = tf.range(1, n + 1);
    const squares = (upTo: number) => (upTo * (upTo + 1) * (2 * upTo + 1)) / 6;
    const from = Math.floor(n / 3);
    const reference = tf.tidy(() => sumOfSquares.reference({ x }, { from, to: n }));
    for (const sum of [(await readSquares([{ x, from, to: n }]))[0]!, (await reference.data())[0]!])
      expect(sum / (squares(n) - squares(from))).toBeCloseTo(1, 5);
    tf.dispose([x, reference]);
  });
});

describe("learning rates", () => {
  test("cosine warms up, peaks, and falls to its floor", () => {
    const lr = cosine({ peak: 1, warmup: 4, steps: 14, floor: 0.1 }) as (step: number) => number;
    expect([0, 1, 3].map(lr)).toEqual([0.25, 0.5, 1]);
    expect(lr(4)).toBe(1);
    expect(lr(9)).toBeCloseTo(0.55);
    expect(lr(14)).toBeCloseTo(0.1);
    expect(lr(99)).toBeCloseTo(0.1);
  });

  test("constant warms up and stays", () => {
    expect([0, 1, 2, 50].map(constant(2, 2) as (step: number) => number)).toEqual([1, 2, 2, 2]);
  });
});

describe("a rate by what was seen", () => {
  const seen = (losses: number[], evaluations: number[] = []) => ({
    losses,
    evaluations: evaluations.map((loss, step) => ({ loss, step, samples: 1 })),
  });
  const asFunction = (rate: LearningRate) => rate as (step: number, seen: Seen) => number;

  test("plateau: falls where no better loss came for a while, never below its floor", () => {
    const rate = asFunction(plateau({ lr: 1, factor: 0.5, patience: 2, floor: 0.3 }));
    const found = seen([]);
    const rates = [4, 3, 3, 3, 2, 2, 2, 2, 2].map((loss, step) => {
      found.losses.push(loss);
      return rate(step, found);
    });
    expect(rates).toEqual([1, 1, 1, 0.5, 0.5, 0.5, 0.3, 0.3, 0.3]);
  });

  test("plateau: evaluations, where there are some, count alone; two ranks keep apart", () => {
    const rate = asFunction(plateau({ lr: 1, patience: 1 }));
    expect(rate(9, seen([1, 2, 3], [2, 1]))).toBe(1);
    expect(rate(9, seen([1], [1, 2]))).toBe(0.1);
  });

  test("an optimizer asks it with nothing where it is not told what was seen", () =>
    expect(sgd({ lr: (_, { losses }) => 1 + losses.length }).lr(3)).toBe(1));
});
