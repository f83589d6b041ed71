// Gradients of convolutions and pools on wasm against tfjs's cpu backend: random shapes, strides and padding, from a fixed seed;
// batches whose patches are taken in parts.
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { randomKey, uniformInt, useDevice } from "../src/index.ts";
import type { Fn } from "../src/rank/tape/vjp.ts";
import { inputs } from "./functions.ts";

let before = 0;
beforeEach(async () => {
  await useDevice("wasm");
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

interface Case {
  readonly what: string;
  readonly f: Fn;
  readonly shapes: readonly (readonly number[])[];
}

interface Sizes {
  readonly B: number;
  readonly H: number;
  readonly W: number;
  readonly C: number;
  /** Filters, or filters a channel. */
  readonly F: number;
  readonly filter: readonly [number, number];
  readonly strides: [number, number];
  readonly pad: "same" | "valid";
}

type Kind = (sizes: Sizes) => Pick<Case, "f" | "shapes">;
const image = ({ B, H, W, C }: Sizes) => [B, H, W, C];

/** Where a filter was put on `[H, W]`. */
const places = ({ H, W, filter, strides, pad }: Sizes): number[] =>
  [H, W].map((size, d) => Math.ceil((pad === "same" ? size : size - filter[d]! + 1) / strides[d]!));

const kinds: Readonly<Record<string, Kind>> = {
  conv2d: (at) => ({
    f: (x, w) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, at.strides, at.pad),
    shapes: [image(at), [...at.filter, at.C, at.F]],
  }),
  conv2dTranspose: (at) => ({
    f: (y, w) => tf.conv2dTranspose(y as tf.Tensor4D, w as tf.Tensor4D, image(at) as never, at.strides, at.pad),
    shapes: [
      [at.B, ...places(at), at.F],
      [...at.filter, at.C, at.F],
    ],
  }),
  depthwiseConv2d: (at) => {
    const strides: [number, number] = [at.strides[0], at.strides[0]]; // wasm's forward takes one stride for both
    return {
      f: (x, w) => tf.depthwiseConv2d(x as tf.Tensor4D, w as tf.Tensor4D, strides, at.pad),
      shapes: [image(at), [...at.filter, at.C, at.F]],
    };
  },
  maxPool: (at) => ({
    f: (x) => tf.maxPool(x as tf.Tensor4D, [...at.filter], at.strides, at.pad),
    shapes: [image(at)],
  }),
  avgPool: (at) => ({
    f: (x) => tf.avgPool(x as tf.Tensor4D, [...at.filter], at.strides, at.pad),
    shapes: [image(at)],
  }),
};

function drawn(n: number): Sizes {
  const key = randomKey(n, "convolutions");
  const upTo = (most: number, at: number) => 1 + uniformInt(key, at, most);
  const filter = [upTo(4, 0), upTo(4, 1)] as const;
  return {
    B: upTo(3, 2),
    H: filter[0] - 1 + upTo(6, 3),
    W: filter[1] - 1 + upTo(6, 4),
    C: upTo(4, 5),
    F: upTo(4, 6),
    filter,
    strides: [upTo(3, 7), upTo(3, 8)],
    pad: upTo(2, 9) === 1 ? "same" : "valid",
  };
}

const cases: readonly Case[] = Object.entries(kinds).flatMap(([name, kind]) =>
  Array.from({ length: 12 }, (_, n) => {
    const at = drawn(n);
    const size = `${image(at).join("x")} filter ${at.filter.join("x")} by ${at.strides.join("x")} ${at.pad} ${at.F}`;
    return { what: `${name} ${size}`, ...kind(at) };
  }),
);

/** Output and gradients, as numbers. */
const gradients = ({ what, f, shapes }: Case): Float32Array[] =>
  tf.tidy(() => {
    const xs = inputs({ name: what, f, shapes });
    const y = f(...xs);
    const [dy] = inputs({ name: what, f, shapes: [y.shape] });
    return [y, ...tf.grads(f)(xs, dy)].map((x) => x.dataSync() as Float32Array);
  });

async function worst(at: Case): Promise<number> {
  const found = gradients(at);
  await useDevice("cpu");
  const expected = gradients(at);
  await useDevice("wasm");
  const most = (values: Float32Array) => values.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
  const errors = found.map((values, i) => {
    const difference = values.map((v, j) => v - expected[i]![j]!);
    return values.length === expected[i]!.length ? most(difference) / Math.max(1, most(expected[i]!)) : Number.NaN;
  });
  return Math.max(...errors);
}

describe("on wasm as on cpu", () => {
  test.each(cases.map((at) => [at.what, at] as const))("%s", async (_, at) => {
    expect(await worst(at)).toBeLessThan(1e-5);
  });
});

test("patches of a large batch are taken in parts", async () => {
  const at: Sizes = { B: 7, H: 40, W: 40, C: 20, F: 3, filter: [3, 3], strides: [1, 1], pad: "same" };
  expect(await worst({ what: "large", ...kinds.conv2d!(at) })).toBeLessThan(1e-5);
});

test("a bias made under another shape", async () => {
  const conv2d: Fn = (x, filter, bias) =>
    tf.fused.conv2d({
      x: x as tf.Tensor4D,
      filter: filter as tf.Tensor4D,
      strides: 1,
      pad: "same",
      bias: bias!.reshape([4]),
    });
  const shapes = [
    [2, 5, 5, 3],
    [3, 3, 3, 4],
    [2, 2],
  ];
  expect(await worst({ what: "bias", f: conv2d, shapes })).toBeLessThan(1e-5);
});

test("channels that come first are refused", () => {
  const [x, dy] = [tf.ones<tf.Rank.R4>([1, 2, 4, 4]), tf.ones<tf.Rank.R4>([1, 3, 4, 4])];
  const grad = () =>
    tf.engine().runKernel(tf.Conv2DBackpropFilter, { x, dy }, {
      strides: 1,
      pad: "same",
      dataFormat: "NCHW",
      filterShape: [3, 3, 2, 3],
    } as never);
  expect(grad).toThrow("a convolution of NCHW images on wasm: transpose them to NHWC");
  tf.dispose([x, dy]);
});
