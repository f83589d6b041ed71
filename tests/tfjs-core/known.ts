// What of tfjs-core's suite fails on a device with our kernels, and why that may be: what tfjs itself does not mean to support.
// `main.ts` checks it: a failure that is not here fails the run, and so does a line here that no failure needs.

/** Failures with one reason. */
export interface Known {
  readonly why: string;
  /** Found in the message of each failed spec. */
  readonly message?: RegExp;
  /** Found in the name of each failed spec. */
  readonly name?: RegExp;
  readonly count: number;
}

const wasm: readonly Known[] = [
  { why: "tfjs's wasm backend has no complex numbers", message: /'Complex' not registered/, count: 113 },
  {
    why: "tfjs's wasm backend has no ragged tensors: they are for preparing data",
    name: /^ragged(TensorToTensor|Range|Gather)/,
    count: 41,
  },
  {
    why: "tfjs's wasm convolutions refuse channels that come first, and say so",
    message: /does not support dataFormat:'(NCHW|channelsFirst)'/,
    count: 33,
  },
  {
    why: "tfjs's wasm backend has no strings",
    message: /dtype string|Aborted|StaticRegexReplace/,
    count: 15,
  },
  { why: "tfjs's wasm backend has no strings", name: /should support string comparison/, count: 6 },
  {
    why: "tfjs's fused wasm kernels take a bias of one row alone, and say so",
    message: /only supports rank-1 bias/,
    count: 4,
  },
  { why: "XNNPACK clips NaN", name: /^clipByValue device \{\} (basic vec4|propagates NaNs)/, count: 2 },
  { why: "tfjs's wasm bincount has one row", name: /^threshold device \{\} method otsu/, count: 2 },
  {
    why: "tfjs's wasm pools do not round a fraction of an output up",
    name: /^pool device .* fractional outputs default rounding/,
    count: 2,
  },
  {
    why: "tfjs's wasm casts to bool keep other numbers than 0 and 1",
    name: /Tensor2D (float32|int32) -> bool/,
    count: 2,
  },
  { why: "tfjs's wasm slice reads past its end", name: /slice2d.* out of bounds slice/, count: 1 },
];

export const known: Readonly<Record<string, readonly Known[]>> = { wasm };
