// The segments of the fixture model that @orthant/nn has not: a ring of attention, experts, a head that can be tied. Textbook
// tfjs, with tfjs's own gradients: not for speed.
// B batch, T positions held here, D model width, H heads held here, K width of one head, E experts, F hidden width, V vocabulary
import { cutAlong, elements, type Segment, type Shape, segment } from "@orthant/core";
import { segments } from "@orthant/nn";
import * as tf from "@tensorflow/tfjs";

type Ring = { cp: "V" };
type RingHeads = { tp: "V"; cp: "V" };

const ring = { cp: "V" } as const;
const ringHeads = { tp: "V", cp: "V" } as const;
const rows = (x: tf.Tensor): tf.Tensor => x.reshape([-1, x.shape.at(-1)!]);

/** `index [B, T]` (int32) -> `[B, T, D]`, where the positions held are those of part `part`. Tokens `[V, D]`, positions `[C, D]`. */
export const embedding = (part: number): Segment<Ring, Ring> =>
  segment({
    ...cutAlong(segments.embedding, "cp"),
    reads: [false, true, true],
    run([tokens, positions_CD], index) {
      const T = index!.shape[1]!;
      return segments.embedding.run([tokens!, positions_CD!.slice([part * T, 0], [T, -1])], index!);
    },
  });

/** `x [B, T, D] -> [B, H, T, K]`: what each head asks, offers or hands over. Weight `[D, H, K]`. */
export const project = (weight: "query" | "key" | "value"): Segment<{ tp: "R"; cp: "V" }, RingHeads> =>
  segment({
    name: weight,
    from: { tp: "R", cp: "V" },
    to: ringHeads,
    params: [weight],
    run([w_DHK], x) {
      const [B, T] = x!.shape as [number, number];
      const [D, H, K] = w_DHK!.shape as [number, number, number];
      const y_NHK = tf.matMul(rows(x!), w_DHK!.reshape([D, H * K]));
      return y_NHK.reshape([B, T, H, K]).transpose([0, 2, 1, 3]);
    },
    shape: ([w = []], x = []) => {
      const [B, T] = x as [number, number];
      const [, H, K] = w as [number, number, number];
      return { shape: [B, H, T, K], flops: 2 * elements(x) * H * K, kept: B * T * H * K };
    },
  });

/** Ones where `test` holds, else zeros, `[rows, columns]`. */
const ones = (rows: number, columns: number, test: (row: number, column: number) => boolean): tf.Tensor2D => {
  const values = Float32Array.from({ length: rows * columns }, (_, i) =>
    test(Math.floor(i / columns), i % columns) ? 1 : 0,
  );
  return tf.tensor2d(values, [rows, columns]);
};

/**
 * Queries, keys, values, and what was seen before -> what has been seen with these, `[B, H, T, K + 1]`: the sum of `exp(score) value`,
 * and that of `exp(score)`. No maximum is taken off, for the scores of so small a model stay small.
 */
export const see = (mine: number, theirs: number): Segment<RingHeads, RingHeads> =>
  segment({
    name: "see",
    from: ringHeads,
    to: ringHeads,
    params: [],
    run(_, query, key, value, before) {
      const [T, K] = query!.shape.slice(2) as [number, number];
      const score_BHTT = tf.matMul(query!, key!, false, true).div(Math.sqrt(K));
      const weight_BHTT = score_BHTT.exp().mul(ones(T, T, (t, s) => mine * T + t >= theirs * T + s));
      const seen = tf.concat([tf.matMul(weight_BHTT, value!), weight_BHTT.sum(-1, true)], -1);
      return before ? before.add(seen) : seen;
    },
    shape: (_, query = [], ...others) => {
      const [B, H, T, K] = query as [number, number, number, number];
      const [scores, seen] = [B * H * T * T, B * H * T * (K + 1)];
      const kept = 3 * scores + T * T + 1 + seen * (others.length > 2 ? 2 : 1);
      return { shape: [B, H, T, K + 1], flops: 4 * scores * K, kept };
    },
  });

/** What was seen `[B, H, T, K + 1]` -> `[B, T, D]`, to be summed over the members of tp. Weight `[H, K, D]`. */
export const mix: Segment<RingHeads, { tp: "P"; cp: "V" }> = segment({
  name: "mix",
  from: ringHeads,
  to: { tp: "P", cp: "V" },
  params: ["out"],
  reads: [true, false],
  run([out_HKD], seen) {
    const [B, H, T] = seen!.shape as [number, number, number];
    const [, K, D] = out_HKD!.shape as [number, number, number];
    const [sum, weight] = tf.split(seen!, [K, 1], -1) as [tf.Tensor, tf.Tensor];
    const mixed_NHK = sum
      .div(weight)
      .transpose([0, 2, 1, 3])
      .reshape([B * T, H * K]);
    return tf.matMul(mixed_NHK, out_HKD!.reshape([H * K, D])).reshape([B, T, D]);
  },
  shape: ([out = []], seen = []) => {
    const [B, , T] = seen as [number, number, number];
    const [H, K, D] = out as [number, number, number];
    return { shape: [B, T, D], flops: 2 * B * T * elements(out), kept: elements(seen) + B * T * H * K };
  },
});

/** Tells the expert of a position: a hash without collisions, so that each has one token a sample. */
const expertOf = (position: number, experts: number): number => (5 * position + 1) % experts;

/** Ones where an expert takes a position of part `part`, `[E, T]`. */
const routes = (experts: number, T: number, part: number): tf.Tensor2D =>
  ones(experts, T, (e, t) => e === expertOf(part * T + t, experts));

/** `x [B, T, D] -> [E, B, D]`: a slot for each expert, zeros where its token is in another part. */
export const dispatch = (experts: number, part: number): Segment<Ring, { ep: "V"; cp: "V" }> =>
  segment({
    name: "dispatch",
    from: ring,
    to: { ep: "V", cp: "V" },
    params: [],
    reads: [false],
    run(_, x) {
      const [B, T, D] = x!.shape as [number, number, number];
      const x_TN = x!.transpose([1, 0, 2]).reshape([T, B * D]);
      return tf.matMul(routes(experts, T, part), x_TN).reshape([experts, B, D]);
    },
    shape: (_, x = []) => {
      const [B, T, D] = x as [number, number, number];
      return { shape: [experts, B, D], flops: 2 * experts * elements(x), kept: experts * T + elements(x) };
    },
  });

/** `x [E, B, D] -> [B, T, D]`: the inverse. */
export const combine = (T: number, part: number): Segment<{ ep: "V"; cp: "V" }, Ring> =>
  segment({
    name: "combine",
    from: { ep: "V", cp: "V" },
    to: ring,
    params: [],
    run(_, x) {
      const [E, B, D] = x!.shape as [number, number, number];
      const y_TN = tf.matMul(routes(E, T, part), x!.reshape([E, B * D]), true);
      return y_TN.reshape([T, B, D]).transpose([1, 0, 2]);
    },
    shape: (_, x = []) => {
      const [E, B, D] = x as [number, number, number];
      return { shape: [B, T, D], flops: 2 * T * elements(x), kept: E * T + B * T * D };
    },
  });

/** `x [E, N, D] -> [E, N, D]` for the experts held here. Weights up `[E, D, F]`, down `[E, F, D]`. Zeros stay zeros. */
export const experts: Segment<{ ep: "V"; cp: "V" }, { ep: "V"; cp: "V" }> = segment({
  name: "experts",
  from: { ep: "V", cp: "V" },
  to: { ep: "V", cp: "V" },
  params: ["up", "down"],
  run: ([up, down], x) => tf.matMul(tf.matMul(x!, up!).tanh(), down!),
  shape: ([up = []], x = []) => {
    const hidden = (elements(x) / x.at(-1)!) * up[2]!;
    return { shape: x, flops: 4 * hidden * x.at(-1)!, kept: hidden };
  },
});

/** `x [B, T, D] -> [B, T, V]`. Weight `[V, D]`, the shape of an embedding. */
export const unembed: Segment<Ring, Ring> = segment({
  name: "unembed",
  from: ring,
  to: ring,
  params: ["weight"],
  run: ([w_VD], x) => tf.matMul(rows(x!), w_VD!, false, true).reshape([...x!.shape.slice(0, -1), w_VD!.shape[0]!]),
  shape: ([w = []], x: Shape = []) => ({ shape: [...x.slice(0, -1), w[0]!], flops: 2 * elements(x) * w[0]!, kept: 0 }),
});

/** `x [B, T, D]` -> the mean square of a position, summed over positions and samples and made small: a scalar. */
export const meanSquare: Segment<Ring, Ring> = segment({
  name: "meanSquare",
  from: ring,
  to: ring,
  params: [],
  run: (_, x) =>
    x!
      .square()
      .sum()
      .mul(0.01 / x!.shape.at(-1)!),
  shape: (_, x = []) => ({ shape: [], flops: 2 * elements(x), kept: elements(x) + 2 }),
});
