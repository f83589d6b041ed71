// Convolutions of float32 and their gradients by cuDNN's calls for them (cudnn_cnn.h, 9.x): rows, columns, then channels. In TF32 but
// where products are float32. Descriptors and algorithms are kept for each shape.
import { out } from "../driver/calls.ts";
import type { Convolution, ConvolutionShape, Scratch } from "../driver/gpu.ts";
import { type Call, load } from "../library/load.ts";
import { scalars } from "./calls.ts";

const NHWC = 1;
const FLOAT = 0;
const CROSS_CORRELATION = 1;
/** Kinds of arithmetic: TF32 allowed, or not. */
const math = { tf32: 0, fp32: 3 } as const;

const found =
  "uint64_t handle, uint64_t a, uint64_t b, uint64_t conv, uint64_t c, int wanted, _Out_ int* count, void* results";
const run =
  "uint64_t handle, uint64_t alpha, uint64_t da, uint64_t a, uint64_t db, uint64_t b, uint64_t conv, int algorithm, uint64_t workspace, size_t bytes, uint64_t beta, uint64_t dc, uint64_t c";

const prototypes = {
  tensor: "cudnnCreateTensorDescriptor(_Out_ uint64_t* descriptor)",
  setTensor: "cudnnSetTensor4dDescriptor(uint64_t descriptor, int format, int type, int n, int c, int h, int w)",
  filter: "cudnnCreateFilterDescriptor(_Out_ uint64_t* descriptor)",
  setFilter: "cudnnSetFilter4dDescriptor(uint64_t descriptor, int type, int format, int k, int c, int h, int w)",
  convolution: "cudnnCreateConvolutionDescriptor(_Out_ uint64_t* descriptor)",
  setConvolution:
    "cudnnSetConvolution2dDescriptor(uint64_t descriptor, int padH, int padW, int strideH, int strideW, int dilationH, int dilationW, int mode, int type)",
  setMath: "cudnnSetConvolutionMathType(uint64_t descriptor, int math)",
  findForward: `cudnnGetConvolutionForwardAlgorithm_v7(${found})`,
  findInput: `cudnnGetConvolutionBackwardDataAlgorithm_v7(${found})`,
  findFilter: `cudnnGetConvolutionBackwardFilterAlgorithm_v7(${found})`,
  forward: `cudnnConvolutionForward(${run})`,
  inputGrad: `cudnnConvolutionBackwardData(${run})`,
  filterGrad: `cudnnConvolutionBackwardFilter(${run})`,
} as const;

type Calls = Readonly<Record<keyof typeof prototypes, Call>>;

interface Descriptors {
  readonly x: number;
  readonly filter: number;
  readonly convolution: number;
  readonly y: number;
}

interface Algorithm {
  readonly number: number;
  readonly workspace: number;
}

function check(code: number, what: string): void {
  if (code) throw new Error(`device cuda: cuDNN: ${what}: error ${code}`);
}

function describe(calls: Calls, at: ConvolutionShape, kind: keyof typeof math): Descriptors {
  const made = (create: Call): number => out((into) => check(create(into), "a descriptor"));
  const tensor = (channels: number, [rows, columns]: readonly [number, number]): number => {
    const descriptor = made(calls.tensor);
    check(calls.setTensor(descriptor, NHWC, FLOAT, at.B, channels, rows, columns), "a tensor");
    return descriptor;
  };
  const [filter, convolution] = [made(calls.filter), made(calls.convolution)];
  check(calls.setFilter(filter, FLOAT, NHWC, at.F, at.C, ...at.filter), "a filter");
  const window = [...at.pad, ...at.strides, ...at.dilations];
  check(calls.setConvolution(convolution, ...window, CROSS_CORRELATION, FLOAT), "a convolution");
  check(calls.setMath(convolution, math[kind]), "a convolution");
  return { x: tensor(at.C, at.input), filter, convolution, y: tensor(at.F, at.output) };
}

/** Bytes of one result: algorithm and status, time, bytes of workspace, whether it is deterministic, its arithmetic. */
const RESULT = 48;
const WANTED = 8;
/** Bytes of workspace that an algorithm may take. */
const MOST = 2 ** 30;

/** The first algorithm that cuDNN names for these descriptors, one that gives the same bits each time where that is asked. */
function choose(
  find: Call,
  handle: number,
  three: readonly number[],
  convolution: number,
  same: boolean,
): Algorithm | undefined {
  const results = new DataView(new ArrayBuffer(RESULT * WANTED));
  const [a, b, c] = three;
  const count = [0];
  if (find(handle, a, b, convolution, c, WANTED, count, new Uint8Array(results.buffer))) return undefined;
  for (let at = 0; at < count[0]! * RESULT; at += RESULT) {
    const workspace = Number(results.getBigUint64(at + 16, true));
    const usable = results.getInt32(at + 4, true) === 0 && workspace <= MOST;
    if (usable && (!same || results.getInt32(at + 24, true) === 1))
      return { number: results.getInt32(at, true), workspace };
  }
  return undefined;
}

const keyOf = (at: ConvolutionShape): string => Object.values(at).join();

interface Options {
  readonly handle: number;
  readonly kind: keyof typeof math;
  readonly deterministic: boolean;
}

type Three = readonly [number, number, number];

/** One of cuDNN's three: what names its algorithms, the call, and the descriptors in the order of its arguments. */
interface Kind {
  readonly find: Call;
  readonly go: Call;
  readonly order: (at: Descriptors) => Three;
}

/** Runs one of the three on three addresses; tells whether there was an algorithm. */
function runner({ find, go, order }: Kind, descriptors: (at: ConvolutionShape) => Descriptors, options: Options) {
  const { handle, deterministic } = options;
  const { memory, addresses } = scalars([1, 0]);
  const algorithms = new Map<string, Algorithm | undefined>();
  return (shape: ConvolutionShape, scratch: Scratch, [first, second, third]: Three): boolean => {
    void memory; // cuDNN reads it at each run
    const [key, at] = [keyOf(shape), descriptors(shape)];
    const [[a, b, c], { convolution }] = [order(at), at];
    if (!algorithms.has(key)) algorithms.set(key, choose(find, handle, [a, b, c], convolution, deterministic));
    const algorithm = algorithms.get(key);
    if (!algorithm) return false;
    const bytes = Math.max(256, algorithm.workspace);
    const workspace = scratch.take(bytes, "cuDNN's workspace");
    const [one, zero] = addresses;
    const how = [convolution, algorithm.number, workspace, bytes];
    const code = go(handle, one, a, first, b, second, ...how, zero, c, third);
    scratch.give(workspace, bytes);
    check(code, "a convolution");
    return true;
  };
}

/** Loads cuDNN's convolutions, on the stream of its handle. */
export function cudnnConvolution(path: string, options: Options): Convolution {
  const library = load(path);
  const calls = Object.fromEntries(
    Object.entries(prototypes).map(([key, prototype]) => [key, library.declare(`int ${prototype}`)]),
  ) as Calls;
  const shapes = new Map<string, Descriptors>();
  const descriptors = (at: ConvolutionShape): Descriptors => {
    const key = keyOf(at);
    const known = shapes.get(key) ?? describe(calls, at, options.kind);
    shapes.set(key, known);
    return known;
  };
  const of = (find: Call, go: Call, order: Kind["order"]) => runner({ find, go, order }, descriptors, options);
  const forward = of(calls.findForward, calls.forward, ({ x, filter, y }) => [x, filter, y]);
  const inputGrad = of(calls.findInput, calls.inputGrad, ({ x, filter, y }) => [filter, y, x]);
  const filterGrad = of(calls.findFilter, calls.filterGrad, ({ x, filter, y }) => [x, y, filter]);
  return {
    forward: (shape, scratch, { x, filter, y }) => forward(shape, scratch, [x, filter, y]),
    inputGrad: (shape, scratch, { dy, filter, dx }) => inputGrad(shape, scratch, [filter, dy, dx]),
    filterGrad: (shape, scratch, { x, dy, dfilter }) => filterGrad(shape, scratch, [x, dy, dfilter]),
  };
}
