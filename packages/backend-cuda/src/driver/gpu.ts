// What the backend asks of a GPU: memory, copies, kernels from CUDA C++, matrix products, all in one order. The CUDA driver
// is one (cuda.ts); the tests bring another that runs kernels on the CPU. Addresses are numbers: below 2^53 on every card.

/** A kernel: one `extern "C" __global__` function in CUDA C++, written after the prelude (sources/prelude.ts). */
export interface Program {
  /** The function's name, unique in a process: it is what a profile shows. */
  readonly name: string;
  /** Its parameters in order, a letter each: p pointer, i int, f float. */
  readonly takes: string;
  /** Bytes of shared memory a block beside those that the source declares: an `extern __shared__` array. */
  readonly shared?: number;
  readonly source: string;
  /** Bytes that a block of threads moves, where a table on the card says which: a profile counts these. */
  readonly blockBytes?: number;
}

/** A compiled kernel: grid x and y, threads a block, then its parameters. Returns before it has run. */
export type Launch = (x: number, y: number, threads: number, ...parameters: readonly number[]) => void;

/** Element types of matrices. */
export type MatrixType = "f32" | "bf16";

/** Row-major `D = op(A) op(B) (+ bias)`, `batch` of them. Strides are elements from one to the next; 0 uses one for all. */
export interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly typeAB: MatrixType;
  readonly typeD: MatrixType;
  readonly batch: number;
  readonly strideA: number;
  readonly strideB: number;
  readonly epilogue: Epilogue;
}

/**
 * What is done to a product: nothing, a bias `[n]` added (its type is D's), relu, or both; gelu after a bias, what went into it
 * written beside; or the gradient of gelu, times what went into it, read beside. Beside is a matrix of D's shape and type.
 */
export type Epilogue = "none" | "bias" | "relu" | "reluBias" | "geluBias" | "geluGrad";

/** Operands of a product and its result, by address; 0 for what its epilogue has no use for. */
export interface Operands {
  readonly a: number;
  readonly b: number;
  readonly bias: number;
  readonly beside: number;
  readonly d: number;
}

/**
 * B sequences of T rows, H heads of width K each. Rows of q, k, v and their gradients are `row` elements apart, heads K: `H K` or,
 * where q, k and v lie side by side, `3 H K`. Rows of y and its gradient are `H K` apart.
 */
export interface HeadShape {
  readonly B: number;
  readonly T: number;
  readonly H: number;
  readonly K: number;
  readonly row: number;
  readonly type: "bf16" | "f16";
}

/** Memory for one launch: it may be given out again in the stream's order. */
export interface Scratch {
  take(bytes: number, what: string): number;
  give(address: number, bytes: number): void;
}

type Addresses<Names extends string> = Readonly<Record<Names, number>>;

/** Causal attention by a library. `lse` is each row's log-sum-exp, float32 `[B, H, T]`. */
export interface Attention {
  forward(shape: HeadShape, scale: number, scratch: Scratch, at: Addresses<"q" | "k" | "v" | "y" | "lse">): void;
  backward(
    shape: HeadShape,
    scale: number,
    scratch: Scratch,
    at: Addresses<"dy" | "q" | "k" | "v" | "y" | "lse" | "dq" | "dk" | "dv">,
  ): void;
}

/** A convolution over `[B, H, W, C]`, float32, the same padding on both sides; filters are `[F, R, S, C]`. */
export interface ConvolutionShape {
  readonly B: number;
  readonly C: number;
  readonly F: number;
  /** Rows and columns of the input, the output and the filter. */
  readonly input: readonly [number, number];
  readonly output: readonly [number, number];
  readonly filter: readonly [number, number];
  readonly pad: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
}

/** Convolutions by a library. Each tells whether it did it: false where there is no algorithm, and nothing was written. */
export interface Convolution {
  forward(shape: ConvolutionShape, scratch: Scratch, at: Addresses<"x" | "filter" | "y">): boolean;
  inputGrad(shape: ConvolutionShape, scratch: Scratch, at: Addresses<"dy" | "filter" | "dx">): boolean;
  filterGrad(shape: ConvolutionShape, scratch: Scratch, at: Addresses<"x" | "dy" | "dfilter">): boolean;
}

export interface Gpu {
  /** Name of the card, for people. */
  readonly name: string;
  /** Number of multiprocessors: how many blocks fill the card. */
  readonly processors: number;
  /** Takes bytes of device memory, aligned to 256; 0 where there are none left. */
  allocate(bytes: number): number;
  free(address: number): void;
  /** Bytes free and in all, as the driver counts them for every process. */
  memory(): { readonly free: number; readonly total: number };
  /** Copies to the device; `from` may be written again on return. */
  upload(to: number, from: Uint8Array): void;
  /** Copies to this thread's memory, after all that was asked before. Waits. */
  download(into: Uint8Array, from: number): void;
  /** The same without blocking the thread. */
  downloadLater(into: Uint8Array, from: number): Promise<void>;
  copy(to: number, from: number, bytes: number): void;
  /** Writes a 32-bit word `count` times. */
  fill(to: number, word: number, count: number): void;
  compile(program: Program): Launch;
  multiply(product: Product, at: Operands): void;
  /** Tells whether there is an algorithm for a product with its epilogue. */
  multiplies(product: Product): boolean;
  /** Absent where there is no library for it. */
  readonly attention?: Attention | undefined;
  readonly convolution?: Convolution | undefined;
  /** Waits for all that was asked. */
  wait(): void;
  /** Runs `work`, then tells how long the GPU was at it, in ms. */
  time(work: () => void): Promise<number>;
  close(): void;
}
