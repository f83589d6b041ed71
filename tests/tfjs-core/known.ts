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
  { why: "tfjs's wasm backend has no complex numbers", message: /'Complex' not registered/, count: 115 },
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

const tensorflow: readonly Known[] = [
  {
    why: "tfjs-node has no kernels of strings: they are for preparing data",
    name: /^string(NGrams|Split|ToHashBucketFast)/,
    count: 44,
  },
  {
    why: "tfjs-node has no ragged tensors: they are for preparing data",
    name: /^ragged(TensorToTensor|Range|Gather)/,
    count: 41,
  },
  {
    why: "tfjs-node has no sparse tensors: they are for preparing data",
    name: /^sparse(Reshape|SegmentMean|SegmentSum|FillEmptyRows)/,
    count: 59,
  },
  {
    why: "tfjs-node has no such kernels, and its own suite leaves them out",
    name: /^(maxPoolWithArgmax|denseBincount|image\.transform|lowerBound|upperBound|searchSorted|bitwiseAnd) /,
    count: 35,
  },
  {
    why: "tfjs-node refuses channels that come first in fused convolutions, and says so",
    message: /does not support dataFormat:'NCHW'/,
    count: 22,
  },
  {
    why: "tfjs-node pads by `valid` and `same` alone, and says so",
    message: /supports only 'valid' and 'same' padding/,
    count: 31,
  },
  {
    why: "TensorFlow has no operation of this type or rank, and says so",
    message: /^Error: Invalid TF_Status: \d/,
    count: 14,
  },
  {
    why: "tfjs-node's own suite leaves it out: TensorFlow gives something else for NaN, integers, or repeated indices",
    name: /^(sign|einsum|multinomial|tan|round|unique) device/,
    count: 9,
  },
];

const webgpu: readonly Known[] = [
  {
    why: "tfjs's webgpu backend has no ragged tensors: they are for preparing data",
    name: /^ragged(TensorToTensor|Range|Gather)/,
    count: 41,
  },
  {
    why: "tfjs's webgpu backend has no sparse tensors: they are for preparing data",
    name: /^sparse(Reshape|SegmentMean|SegmentSum|FillEmptyRows)/,
    count: 40,
  },
  {
    why: "tfjs's webgpu backend has no kernels of strings: they are for preparing data",
    name: /^(string(NGrams|Split|ToHashBucketFast)|staticRegexReplace) /,
    count: 14,
  },
  {
    why: "tfjs's webgpu backend has no such kernels",
    name: /^(unique|nonMaxSuppression|bitwiseAnd) /,
    count: 16,
  },
  { why: "WGSL leaves NaN open", name: /^(acosh|asinh|atanh|sigmoid|softmax) .*ropagates NaNs/, count: 5 },
  { why: "WGSL promises sine and cosine to 2^-11", name: /^(cos|tan) /, count: 4 },
  { why: "tfjs's webgpu gradients of cumsum and prod are wrong", name: /^(cumsum|prod) .*gradient/, count: 5 },
  { why: "tfjs's webgpu prod forgets keepDims", name: /^prod .*keep ?[dD]im/, count: 2 },
  { why: "a canvas is of a browser", name: /^fromPixels, mock canvas/, count: 2 },
  { why: "tfjs's webgpu gather does not look at indices", name: /^gather .*out of bound/, count: 1 },
  { why: "tfjs's webgpu bincount writes a shader that is none", name: /^threshold .*otsu/, count: 2 },
  { why: "it reads a tensor that is freed meanwhile", name: /^tensor\.data device/, count: 1 },
];

export const known: Readonly<Record<string, readonly Known[]>> = { wasm, tensorflow, webgpu };
