// The wire of `zero`: precision by direction, levels by machine. Float32 tensors only: others, and what is exchanged or sent from
// member to member, travel as they are. Gradients are what is summed, parameters what is gathered.
import { bytesOf, type Call, chunk, type ExtraState, elements, type Group, type Shape, type Wire } from "@orthant/core";
import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import { codecOf, type Precision } from "./codec.ts";
import { bytesOfLevels, type Levels, levelsOf, machinesOf, scatter, share } from "./levels.ts";
import type { Part } from "./parts.ts";

export interface WireOptions {
  readonly gather: Precision;
  readonly reduce: Precision;
  /** Elements that share a scale, of int8s. */
  readonly block: number;
}

interface Settings {
  readonly wire: WireOptions;
  /** Members of the axis on one machine; Infinity for all. */
  readonly machine: number;
}

/** Makes the wire; undefined where everything travels as it is, in one level. */
export function wireOf({ wire, machine }: Settings): Wire | undefined {
  const { gather, reduce, block } = wire;
  if (gather === "f32" && reduce === "f32" && machine === Number.POSITIVE_INFINITY) return undefined;
  return {
    bytes({ op, sizes, dtype = "float32" }: Call, members) {
      const precision = op === "allGather" ? gather : reduce;
      if (op === "send" || op === "exchange" || dtype !== "float32" || isPlain(precision, machine, members))
        return bytesOf({ op, sizes, dtype }, members);
      const parts = Array.from({ length: members }, (_, i) => sizes.map((size) => chunkSize(size, members, i)));
      return (op === "allReduce" ? 2 : 1) * bytesOfLevels(codecOf(precision, block), parts, machine);
    },
    wrap: (group) => wrapped(group, { wire, machine }),
  };
}

/** Whether calls of this precision go to the group itself. */
const isPlain = (precision: Precision, machine: number, members: number): boolean =>
  precision === "f32" && machinesOf(members, machine).machines === 1;

const chunkSize = (size: number, members: number, i: number): number => {
  const [from, to] = chunk(size, members, i);
  return to - from;
};

function wrapped(group: Group, { wire, machine }: Settings): Group {
  const levels = (precision: Precision, lost?: Map<string, Float32Array>): Levels | undefined =>
    isPlain(precision, machine, group.size)
      ? undefined
      : levelsOf(group, codecOf(precision, wire.block), machine, lost);
  const lost = new Map<string, Float32Array>();
  const sums = levels(wire.reduce, lost);
  const gathers = levels(wire.gather);
  return {
    ...group,
    ...(sums?.inside.codec.feedback && { extra: feedbackIn(lost) }),
    ...(sums && {
      reduceScatter: async (xs: readonly Tensor[], at: string) =>
        areCarried(xs) ? toTensors(await sumMine(sums, group, await read(xs), at)) : group.reduceScatter(xs, at),
      async allReduce(xs: readonly Tensor[], at: string) {
        if (!areCarried(xs)) return group.allReduce(xs, at);
        const shapes = xs.map(({ shape }) => shape);
        const mine = await sumMine(sums, group, await read(xs), at);
        return join(await share(sums, mine, sizesFor(shapes, group.size), `${at} sums`), shapes);
      },
    }),
    ...(gathers && {
      allGather: async (chunks: readonly Tensor[], shapes: readonly Shape[], at: string) =>
        areCarried(chunks)
          ? join(await share(gathers, await read(chunks), sizesFor(shapes, group.size), at), shapes)
          : group.allGather(chunks, shapes, at),
    }),
  };
}

/** What sums have lost so far, for checkpoints: to be added in the next step. */
const feedbackIn = (lost: Map<string, Float32Array>): ExtraState => ({
  read: () => lost,
  write(vectors) {
    for (const [name, vector] of vectors) lost.set(name, vector);
  },
});

const areCarried = (xs: readonly Tensor[]): boolean => xs.length > 0 && xs.every(({ dtype }) => dtype === "float32");

/** Reads tensors and disposes them. */
async function read(xs: readonly Tensor[]): Promise<Float32Array[]> {
  try {
    return await Promise.all(xs.map(async (x) => (await x.data()) as Float32Array));
  } finally {
    tf.dispose([...xs]);
  }
}

/** Sizes of each member's chunks of tensors of `shapes`. */
const sizesFor = (shapes: readonly Shape[], members: number): number[][] =>
  Array.from({ length: members }, (_, i) => shapes.map((shape) => chunkSize(elements(shape), members, i)));

const sumMine = (levels: Levels, { size }: Group, values: readonly Float32Array[], at: string): Promise<Part> =>
  scatter(
    levels,
    Array.from({ length: size }, (_, i) => values.map((v) => v.subarray(...chunk(v.length, size, i)))),
    at,
  );

const toTensors = (part: Part): Tensor[] => part.map((vector) => tf.tensor1d(vector));

/** Tensors of `shapes` from everyone's chunks, by member. */
const join = (parts: readonly Part[], shapes: readonly Shape[]): Tensor[] =>
  shapes.map((shape, t) => {
    const whole = new Float32Array(elements(shape));
    let at = 0;
    for (const part of parts) {
      whole.set(part[t]!, at);
      at += part[t]!.length;
    }
    return tf.tensor(whole, [...shape]);
  });
