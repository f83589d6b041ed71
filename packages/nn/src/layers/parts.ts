// Several tensors of a sample in one, one after the other, and apart again: a sample has one input and one target, and one tensor
// goes from stage to stage.
// B samples
import { type Everywhere, elements, type Segment, type Shape, segment } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";

/** A part of a sample, as its own shape. */
export interface Part {
  readonly from: number;
  readonly shape: Shape;
}

/** Where tensors of these shapes lie in a vector that holds them one after the other. */
export function partsOf(shapes: readonly Shape[]): Part[] {
  let from = 0;
  return shapes.map((shape) => {
    const part = { from, shape };
    from += elements(shape);
    return part;
  });
}

/** x `[B, ..]` -> `[B, ...shape]` of a part of each row; shares memory where that is all of it. */
export function takePart(x: tf.Tensor, { from, shape }: Part): tf.Tensor {
  const B = x.shape[0]!;
  const count = elements(shape);
  const rows = x.reshape([B, -1]);
  const part = count === rows.shape[1] ? rows : rows.slice([0, from], [B, count]);
  return part.reshape([B, ...shape]);
}

/** Segments that take inputs of these shapes from x `[B, ..]`. Refuse, when planned, an x with another number of values. */
export function unpack(shapes: readonly Shape[]): Segment<Everywhere, Everywhere>[] {
  const whole = shapes.reduce((n, shape) => n + elements(shape), 0);
  const shown = shapes.map((shape) => `[${shape.join(", ")}]`).join(" and ");
  const check = (x: Shape): void => {
    if (elements(x) === whole) return;
    throw new Error(
      `the model takes ${shown}, ${whole} values a sample, and the data's have ${elements(x)}, [${x.join(", ")}]`,
    );
  };
  return partsOf(shapes).map((part) =>
    segment({
      name: "unpack",
      params: [],
      reads: [false],
      run: (_, x) => takePart(x!, part),
      shape: (_, x = []) => {
        check(x.slice(1));
        return { shape: [x[0]!, ...part.shape], flops: 0, kept: 0 };
      },
    }),
  );
}

/** Several tensors `[B, ..]` -> `[B, n]`, one after the other. */
export const pack: Segment<Everywhere, Everywhere> = segment({
  name: "pack",
  params: [],
  reads: [],
  run: (_, ...xs) =>
    tf.concat(
      xs.map((x) => x.reshape([x.shape[0]!, -1])),
      1,
    ),
  shape: (_, ...xs) => {
    const shape = [xs[0]![0]!, xs.reduce((n, x) => n + elements(x.slice(1)), 0)];
    return { shape, flops: 0, kept: 0 };
  },
});
