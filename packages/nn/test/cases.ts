// The shapes at which segments are compared: even and odd sizes, one head, one sequence, one token, sizes on both
// sides of the threshold between batched and separate products.

import type { Everywhere, Segment } from "@orthant/core";
import * as segments from "../src/segments/index.ts";

/** Rotary positions of the segments that are compared, with turns slowed, blended and left. */
export const rotary: segments.Rotary = {
  theta: 100,
  scaling: { kind: "llama3", factor: 4, low: 1, high: 3, context: 24 },
};

/** Segments by name; what is made by a function, made. */
export const segmentOf = (name: string): Segment<Everywhere, Everywhere> =>
  ({ ...segments, groupedAttention: segments.groupedAttention(rotary) })[name as "add"];

export interface Case {
  readonly name: string;
  readonly params: readonly (readonly number[])[];
  readonly inputs: readonly (readonly number[])[];
  /** Inputs at these places are int32 indices below `below`. */
  readonly indices?: Readonly<Record<number, number>>;
}

const attention = (B: number, T: number, D: number, H: number, K: number): Case[] => {
  const weights = [
    [D, H, K],
    [D, H, K],
    [D, H, K],
    [H, K, D],
  ];
  const inputs = [[B, T, D]];
  return [
    { name: "attention", params: [...weights, [H, K], [H, K], [H, K]], inputs },
    { name: "attentionWithoutBias", params: weights, inputs },
  ];
};

/** H query heads in G groups. */
const grouped = (B: number, T: number, D: number, H: number, G: number, K: number): Case => ({
  name: "groupedAttention",
  params: [
    [D, H, K],
    [D, G, K],
    [D, G, K],
    [H, K, D],
  ],
  inputs: [[B, T, D]],
});

const rowwise = (B: number, T: number, D: number, F: number): Case[] => {
  const x = [B, T, D];
  return [
    { name: "layerNorm", params: [[D], [D]], inputs: [x] },
    { name: "rmsNorm", params: [[D]], inputs: [x] },
    { name: "mlp", params: [[D, F], [F], [F, D]], inputs: [x] },
    {
      name: "swiglu",
      params: [
        [D, F],
        [D, F],
        [F, D],
      ],
      inputs: [x],
    },
    { name: "add", params: [], inputs: [x, x] },
    { name: "tokenEmbedding", params: [[F, D]], inputs: [[B, T]], indices: { 0: F } },
    { name: "unembedding", params: [[F, D]], inputs: [x] },
    { name: "residual", params: [[D]], inputs: [x, x] },
    { name: "linear", params: [[D, F], [F]], inputs: [x] },
    { name: "linearWithoutBias", params: [[D, F]], inputs: [x] },
    {
      name: "embedding",
      params: [
        [F, D],
        [T + 2, D],
      ],
      inputs: [[B, T]],
      indices: { 0: F },
    },
    {
      name: "crossEntropy",
      params: [],
      inputs: [
        [B, T, F],
        [B, T],
      ],
      indices: { 1: F },
    },
  ];
};

export const cases: readonly Case[] = [
  ...attention(2, 16, 32, 4, 8),
  ...attention(1, 7, 5, 1, 3),
  ...attention(3, 1, 6, 2, 3),
  ...attention(1, 1, 4, 1, 4),
  ...attention(2, 65, 24, 3, 17),
  grouped(2, 16, 32, 4, 2, 8),
  grouped(1, 7, 5, 3, 1, 2),
  grouped(3, 1, 6, 2, 2, 4),
  grouped(1, 1, 4, 1, 1, 2),
  grouped(2, 65, 24, 6, 2, 18),
  ...rowwise(2, 16, 32, 64),
  ...rowwise(1, 7, 5, 11),
  ...rowwise(3, 1, 6, 9),
  ...rowwise(1, 1, 4, 4),
  ...rowwise(3, 33, 37, 65),
];
