// A segment: a named synchronous tensor function. The unit of differentiation, of ZeRO gathering, of recomputation
// and of profiling. Pure tfjs: nothing asynchronous, no rank, no communication.
import type { Tensor } from "@tensorflow/tfjs";
import type { Everywhere, Placed, Placement, Placements } from "./placement.ts";

/** Sizes of a tensor's dims. */
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

/** Named synchronous function of parameters and tensors: the unit of differentiation, gathering, recomputation and profiling. */
export interface Segment<In extends Placements, Out extends Placements> {
  readonly name: string;
  /** Placement of every input, by mesh axis. */
  readonly from: In;
  /** Placement of the output, by mesh axis. */
  readonly to: Out;
  /** Parameter names, relative to the layer. */
  readonly params: readonly string[];
  /** `params` in the order named above, then the inputs. Runs inside `tf.tidy`; must not keep or dispose its inputs. */
  readonly run: (params: readonly Tensor[], ...xs: readonly Tensor[]) => Tensor;
  /** Sizes, from the (local) shapes of parameters and inputs. */
  readonly shape: (params: readonly Shape[], ...xs: readonly Shape[]) => SegmentShape;
  /** Which parameters, then inputs, the backward reads; all of them where this is absent. For `plan`: nothing runs by it. */
  readonly reads?: readonly boolean[];
}

/** Counts the elements of a tensor of this shape. */
export const elements = (shape: Shape): number => shape.reduce((n, size) => n * size, 1);

/** A guess for segments that give no `shape`: output like the first input, every parameter used once per row, output kept. */
const guess: Segment<Placements, Placements>["shape"] = (params, x = []) => {
  const rows = elements(x) / (x.at(-1) ?? 1);
  return { shape: x, kept: elements(x), flops: 2 * rows * params.reduce((n, p) => n + elements(p), 0) };
};

/** What `segment` takes: placements left out are I along every axis. */
export interface SegmentParts<In extends Placements, Out extends Placements>
  extends Pick<Segment<In, Out>, "name" | "params" | "run">,
    Partial<Pick<Segment<In, Out>, "shape" | "reads">> {
  readonly from?: In;
  readonly to?: Out;
}

/**
 * Declares a segment. `from` and `to` say how its inputs and its output are held where that is not I:
 * `segment({ name: "mlp", from: { tp: "R" }, to: { tp: "P" }, params: ["up", "down"], run: ([up, down], x) => ... })`
 */
export const segment = <const In extends Placements = Everywhere, const Out extends Placements = Everywhere>(
  parts: SegmentParts<In, Out>,
): Segment<In, Out> => ({ shape: guess, from: {} as In, to: {} as Out, ...parts });

const renamed = <P extends Placements>(placements: P, axis: string): P =>
  Object.fromEntries(Object.values(placements).map((placement) => [axis, placement])) as P;

/** The same segment along another mesh axis: for models that let the user name it. The type keeps the segment's own word. */
export const onAxis = <In extends Placements, Out extends Placements>(
  { from, to, ...parts }: Segment<In, Out>,
  axis: string,
): Segment<In, Out> => ({ ...parts, from: renamed(from, axis), to: renamed(to, axis) });

/**
 * The same segment on tensors that are V along `axis`: for what treats every position alike, where a strategy divides the
 * positions of every sample. That strategy sums the gradients of the segment's parameters.
 */
export const cutAlong = <In extends Placements, Out extends Placements, Axis extends string>(
  { from, to, ...parts }: Segment<In, Out>,
  axis: Axis,
): Segment<Placed<In, Axis, "V">, Placed<Out, Axis, "V">> => {
  const cut = <P extends Placements>(placements: P) => ({ ...placements, [axis]: "V" as Placement });
  return { ...parts, from: cut(from) as never, to: cut(to) as never };
};
