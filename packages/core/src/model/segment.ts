// A segment: a named synchronous tensor function. The unit of differentiation, of ZeRO gathering, of recomputation
// and of profiling. Pure tfjs: nothing asynchronous, no rank, no communication.
import type { Tensor } from "@tensorflow/tfjs";
import type { Placement } from "./placement.ts";

export type Shape = readonly number[];

/** What a segment does to sizes; `plan` adds these up without allocating a tensor. */
export interface SegmentShape {
  /** Shape of the output. */
  readonly shape: Shape;
  /** Floating-point operations of one forward; the backward counts as twice that. */
  readonly flops: number;
  /** Elements kept from forward to backward beside inputs, parameters and output. */
  readonly kept: number;
}

export interface Segment<In extends Placement, Out extends Placement> {
  readonly name: string;
  /** Parameter names, relative to the layer. */
  readonly params: readonly string[];
  /** `params` in the order named above, then the inputs. Runs inside `tf.tidy`; must not keep or dispose its inputs. */
  readonly run: (params: readonly Tensor[], ...xs: readonly Tensor[]) => Tensor;
  /** Sizes, from the (local) shapes of parameters and inputs. */
  readonly shape: (params: readonly Shape[], ...xs: readonly Shape[]) => SegmentShape;
  /** Which parameters, then inputs, the backward reads; all of them where this is absent. For `plan`: nothing runs by it. */
  readonly reads?: readonly boolean[];
  /** Placements of inputs and output; exists for the compiler only. */
  readonly type?: (x: In) => Out;
}

export const elements = (shape: Shape): number => shape.reduce((n, size) => n * size, 1);

/** A guess for segments that give no `shape`: output like the first input, every parameter used once per row, output kept. */
const guess: Segment<Placement, Placement>["shape"] = (params, x = []) => {
  const rows = elements(x) / (x.at(-1) ?? 1);
  return { shape: x, kept: elements(x), flops: 2 * rows * params.reduce((n, p) => n + elements(p), 0) };
};

/**
 * Declares a segment; `In` and `Out` are its placements along the tensor-parallel axis.
 * `segment<"R", "P">({ name: "mlp", params: ["up", "down"], run: ([up, down], x) => ... })`
 */
export const segment = <In extends Placement, Out extends Placement>(
  parts: Pick<Segment<In, Out>, "name" | "params" | "run"> & Partial<Pick<Segment<In, Out>, "shape" | "reads">>,
): Segment<In, Out> => ({ shape: guess, ...parts });
