// A graph of cuDNN operations as it is written down: tensors, products, element-by-element operations, reductions; and its plan.
import type { Cudnn } from "./calls.ts";

/** Element types by cuDNN's numbers. */
export const dataType = { f32: 0, f16: 2, bf16: 9, i32: 4, bool: 11 } as const;

/** Modes of element-by-element operations. */
export const mode = {
  add: 0,
  multiply: 1,
  divide: 6,
  subtract: 9,
  exp: 13,
  log: 15,
  identity: 21,
  atLeast: 303,
  index: 501,
  select: 601,
} as const;

export type Dims = readonly [number, number, number, number];

export interface GraphTensor {
  readonly descriptor: number;
  readonly id: number;
  readonly dims: Dims;
  readonly strides: Dims;
}

type Type = keyof typeof dataType;
type Mode = keyof typeof mode;

export interface PointwiseOptions {
  /** Picks between two inputs. */
  readonly by?: GraphTensor;
  /** The dim whose index is meant. */
  readonly dim?: number;
  readonly compute?: Type;
}

const [ADD, MAX, CROSS_CORRELATION] = [0, 3, 1];
export type Convolving = "forward" | "inputGrad" | "filterGrad";

/** Numbers of the attributes of each: the factor, the window, the filter, with x and y or their gradients behind. */
const convolutionAttributes: Readonly<Record<Convolving, readonly [alpha: number, of: number, operands: number]>> = {
  forward: [700, 702, 703],
  inputGrad: [706, 708, 709],
  filterGrad: [712, 714, 715],
};

/** Rows, then columns. */
export interface Window {
  readonly pad: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
}

export class Graph {
  readonly #cudnn: Cudnn;
  readonly #operations: number[] = [];
  #next = 1;

  constructor(cudnn: Cudnn) {
    this.#cudnn = cudnn;
  }

  #tensor(dims: Dims, strides: Dims, type: Type, virtual: boolean, value: boolean): GraphTensor {
    const id = this.#next++;
    const descriptor = this.#cudnn.make("tensor", [
      [901, "data", [dataType[type]]],
      [902, "i64", dims],
      [903, "i64", strides],
      [906, "i64", [id]],
      [900, "i64", [16]],
      ...(virtual ? [[907, "bool", [1]] as const] : []),
      ...(value ? [[908, "bool", [1]] as const] : []),
    ]);
    return { descriptor, id, dims, strides };
  }

  /** A tensor in memory. */
  tensor(dims: Dims, strides: Dims, type: Type): GraphTensor {
    return this.#tensor(dims, strides, type, false, false);
  }
  /** One that never leaves the kernel. */
  virtual(dims: Dims, strides: Dims, type: Type = "f32"): GraphTensor {
    return this.#tensor(dims, strides, type, true, false);
  }
  like({ dims, strides }: GraphTensor, type: Type = "f32"): GraphTensor {
    return this.virtual(dims, strides, type);
  }
  /** A float32 number in the host's memory. */
  scalar(): GraphTensor {
    return this.#tensor([1, 1, 1, 1], [1, 1, 1, 1], "f32", false, true);
  }

  pointwise(
    name: Mode,
    x: GraphTensor,
    b: GraphTensor | undefined,
    y: GraphTensor,
    options: PointwiseOptions = {},
  ): GraphTensor {
    const { by, dim, compute = "f32" } = options;
    const how = this.#cudnn.make("pointwise", [
      [0, "pointwise", [mode[name]]],
      [1, "data", [dataType[compute]]],
      ...(dim !== undefined ? [[9, "i64", [dim]] as const] : []),
    ]);
    const operation = this.#cudnn.make("pointwiseOperation", [
      [750, "descriptor", [how]],
      [751, "descriptor", [x.descriptor]],
      ...(b ? [[752, "descriptor", [b.descriptor]] as const] : []),
      [753, "descriptor", [y.descriptor]],
      ...(by ? [[758, "descriptor", [by.descriptor]] as const] : []),
      [754, "float", [1]],
      [755, "float", [1]],
    ]);
    this.#operations.push(operation);
    return y;
  }

  reduce(name: "add" | "max", x: GraphTensor, y: GraphTensor): GraphTensor {
    const how = this.#cudnn.make("reduction", [
      [1601, "data", [dataType.f32]],
      [1600, "reduction", [name === "add" ? ADD : MAX]],
    ]);
    const operation = this.#cudnn.make("reductionOperation", [
      [1612, "descriptor", [how]],
      [1610, "descriptor", [x.descriptor]],
      [1611, "descriptor", [y.descriptor]],
    ]);
    this.#operations.push(operation);
    return y;
  }

  multiply(a: GraphTensor, b: GraphTensor, c: GraphTensor): GraphTensor {
    const how = this.#cudnn.make("matmul", [[1500, "data", [dataType.f32]]]);
    const operation = this.#cudnn.make("matmulOperation", [
      [1523, "descriptor", [how]],
      [1520, "descriptor", [a.descriptor]],
      [1521, "descriptor", [b.descriptor]],
      [1522, "descriptor", [c.descriptor]],
    ]);
    this.#operations.push(operation);
    return c;
  }

  reshape(x: GraphTensor, y: GraphTensor): GraphTensor {
    const operation = this.#cudnn.make("reshapeOperation", [
      [2200, "descriptor", [x.descriptor]],
      [2201, "descriptor", [y.descriptor]],
    ]);
    this.#operations.push(operation);
    return y;
  }

  /** A convolution or one of its gradients, over `[B, C, H, W]` with strides of any order. */
  convolve(
    kind: Convolving,
    window: Window,
    { x, filter, y }: Readonly<Record<"x" | "filter" | "y", GraphTensor>>,
  ): void {
    const how = this.#cudnn.make("convolution", [
      [100, "data", [dataType.f32]],
      [101, "convolution", [CROSS_CORRELATION]],
      [106, "i64", [2]],
      [102, "i64", window.dilations],
      [103, "i64", window.strides],
      [104, "i64", window.pad],
      [105, "i64", window.pad],
    ]);
    const [alpha, of, operands] = convolutionAttributes[kind];
    const operation = this.#cudnn.make(kind, [
      [alpha, "float", [1]],
      [alpha + 1, "float", [0]],
      [of, "descriptor", [how]],
      ...[filter, x, y].map(({ descriptor }, i) => [operands + i, "descriptor", [descriptor]] as const),
    ]);
    this.#operations.push(operation);
  }

  /** The graph's descriptor: nothing more can be written down. */
  finish(): number {
    return this.#cudnn.make("graph", [
      [801, "descriptor", this.#operations],
      [800, "handle", [this.#cudnn.handle]],
    ]);
  }
}

/** Addresses of a graph's tensors, and its workspace, for one run. */
export function variant(cudnn: Cudnn, pairs: readonly (readonly [GraphTensor, number])[], workspace: number): number {
  return cudnn.make("variant", [
    [1001, "pointer", pairs.map(([, address]) => address)],
    [1000, "i64", pairs.map(([{ id }]) => id)],
    [1003, "pointer", [workspace]],
  ]);
}
