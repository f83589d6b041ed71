// Batch normalisation with the statistics of a whole microbatch, whatever mesh it is dealt to: sums over samples travel along the axes that
// divide the batch, forward and backward (Ioffe and Szegedy 2015; synchronised: Peng et al.: MegDet, CVPR 2018). Statistics for later are
// moving averages, which each step adds to.
// C channels

import type { Everywhere } from "@orthant/core";
import { type Crossing, differentiable, type Held, type Segment, type Shape, segment, type Tape } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { callSegment } from "./call.ts";
import type { LayerRun } from "./graph.ts";

/** Sums what members made of samples of their own. The gradient of a sum is a sum: each member's loss depends on all. */
const overMembers: Crossing<"I", "I"> = {
  name: "sum over samples",
  from: "I",
  to: "I",
  apply: async (group, x, at) => (await group.allReduce([x.clone()], at))[0]!,
  back: () => overMembers,
  shape: (x) => x,
  calls: (x) => [{ op: "allReduce", sizes: [x.reduce((n, size) => n * size, 1)] }],
};

interface Settings {
  readonly axis: number;
  readonly epsilon: number;
}

/** The dims that statistics are taken over: all but that of the channels. */
const reduced = (shape: Shape, axis: number): number[] =>
  shape.map((_, dim) => dim).filter((dim) => dim !== (axis + shape.length) % shape.length);

/** Shape of a vector of channels beside `shape`. */
const beside = (shape: Shape, axis: number): number[] => {
  const dims = reduced(shape, axis);
  return shape.map((size, dim) => (dims.includes(dim) ? 1 : size));
};
const channels = (shape: Shape, axis: number): number => shape.at(axis)!;
const countOf = (shape: Shape, axis: number): number => reduced(shape, axis).reduce((n, dim) => n * shape[dim]!, 1);

/** `x [B, ..]` -> sums over samples and places, `[C]`. */
const sums = ({ axis }: Settings): Segment<Everywhere, Everywhere> =>
  segment({
    name: "batchSum",
    params: [],
    run: (_, x) => x!.sum(reduced(x!.shape, axis)),
    shape: (_, x = []) => ({ shape: [channels(x, axis)], flops: countOf(x, axis) * channels(x, axis), kept: 0 }),
  });

/** `x [B, ..]`, `sum [C]` over `members` members -> sums of squares of what is left without the mean, `[C]`. */
const squares = ({ axis }: Settings, members: number): Segment<Everywhere, Everywhere> =>
  segment({
    name: "batchSquares",
    params: [],
    run: (_, x, sum) => {
      const mean = sum!.div(members * countOf(x!.shape, axis)).reshape(beside(x!.shape, axis));
      return x!.sub(mean).square().sum(reduced(x!.shape, axis));
    },
    shape: (_, x = []) => {
      const all = countOf(x, axis) * channels(x, axis);
      return { shape: [channels(x, axis)], flops: 3 * all, kept: all };
    },
  });

/** Zeros `[C]`, whose gradients of the moving averages are the statistics that these are to be given. */
const noted = (moving: readonly tf.Tensor[], statistics: readonly tf.Tensor[]): tf.Tensor =>
  differentiable({
    inputs: moving,
    forward: (save) => {
      save([...statistics]);
      return tf.zerosLike(statistics[0]!);
    },
    backward: (_, saved) => saved.map((statistic) => () => statistic.clone()),
  });

/** `x [B, ..]`, sums and sums of squares `[C]` -> normalised, scaled by gamma and moved by beta, where the layer has them. */
const normalised = (names: readonly string[], { axis, epsilon }: Settings, members: number) =>
  segment({
    name: "batchNormalization",
    params: names,
    run: (values, x, sum, square) => {
      const at = (name: string) => values[names.indexOf(name)];
      const count = members * countOf(x!.shape, axis);
      const [mean, variance] = [sum!.div(count), square!.div(count)];
      const rate = variance
        .add(epsilon)
        .rsqrt()
        .mul(at("gamma") ?? 1);
      const note = noted([at("moving_mean")!, at("moving_variance")!], [mean, variance]);
      const shift = note.add(at("beta") ?? 0);
      const wide = (v: tf.Tensor) => v.reshape(beside(x!.shape, axis));
      return x!.sub(wide(mean)).mul(wide(rate)).add(wide(shift));
    },
    shape: (_, x = []) => {
      const all = countOf(x, axis) * channels(x, axis);
      return { shape: x, flops: 4 * all, kept: 2 * all };
    },
  });

/** A run of a `tf.layers.batchNormalization`, with `names` for its weights at `at`. */
export function synchronised(run: LayerRun, names: readonly string[], at: string) {
  const settings = run.layer.getConfig() as unknown as Settings;
  const inference = callSegment(run, names);
  const sum = sums(settings);
  return async (tape: Tape, x: Held): Promise<Held> => {
    if (!tape.training) return tape.local(inference, at, x);
    const members = tape.batch.reduce((n, axis) => n * tape.at(axis).size, 1);
    const overAll = async (part: Held): Promise<Held> => {
      let whole = part;
      for (const axis of tape.batch)
        if (tape.at(axis).size > 1) whole = await tape.move(axis, overMembers, whole as never);
      return whole;
    };
    const total = await overAll(await tape.local(sum, "", x));
    const square = await overAll(await tape.local(squares(settings, members), "", x, total));
    return tape.local(normalised(names, settings, members), at, x, total, square);
  };
}
