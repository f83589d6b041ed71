// Gradients as int8, one scale a block, with error feedback: what rounding lost is added to the same gradient of the next step
// (Seide et al.: 1-bit stochastic gradient descent, Interspeech 2014; Karimireddy et al.: Error feedback fixes SignSGD, ICML
// 2019). A wire: it carries the sums of any strategy along its axis, added up in rank order. Sends 1 + 4 / 256 bytes
// an element instead of 4; what was lost is kept as plain memory, at most 4 bytes an element that is sent.
import { bytesOf, chunk, elements, type Group, type Strategy } from "@orthant/core";
import type { Fixture } from "@orthant/testing";
import { zero } from "@orthant/zero";
import * as tf from "@tensorflow/tfjs";
import { pack, packedBytes, unpackAll } from "./int8-pack.ts";

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
const chunkSize = (size: number, members: number, i: number): number =>
  chunk(size, members, i).reduce((from, to) => to - from);

function compressed(group: Group, feedback: boolean): Group {
  const members = Array.from({ length: group.size }, (_, i) => i);
  const lost = new Map<string, Float32Array>();
  const packAll = (parts: readonly Float32Array[], call: string): Uint8Array =>
    Buffer.concat(
      parts.map((part, i) => {
        const name = `${call.replace(/^step \d+ /, "")} ${i}`;
        const values = part.map((x, at) => x + (lost.get(name)?.[at] ?? 0));
        if (feedback) lost.set(name, values);
        return pack(values);
      }),
    );
  /** The sums over members of this member's chunk of each tensor. */
  async function sumMine(xs: readonly tf.Tensor[], at: string): Promise<Float32Array[]> {
    const values = await Promise.all(xs.map(async (x) => (await x.data()) as Float32Array));
    tf.dispose([...xs]);
    const chunksFor = (to: number) => values.map((v) => v.subarray(...chunk(v.length, group.size, to)));
    const parts = members.map((to) => packAll(chunksFor(to), `${at} to ${to}`));
    const sizes = chunksFor(group.rank).map(({ length }) => length);
    const received = (await group.exchange(parts, at)).map((packed) => unpackAll(packed, sizes));
    return sizes.map((size, i) => new Float32Array(size).map((_, at) => sum(received.map((from) => from[i]![at]!))));
  }
  return {
    ...group,
    reduceScatter: async (xs, at) =>
      xs.every(carried) ? (await sumMine(xs, at)).map((mine) => tf.tensor1d(mine)) : group.reduceScatter(xs, at),
    async allReduce(xs, at) {
      if (!xs.every(carried)) return group.allReduce(xs, at);
      const shapes = xs.map(({ shape }) => shape);
      const key = `${at} sums`;
      const mine = packAll(await sumMine(xs, at), key);
      const sizesOf = (from: number) => shapes.map((shape) => chunkSize(elements(shape), group.size, from));
      const all = await group.exchange(Array<Uint8Array>(group.size).fill(mine), key);
      const parts = all.map((packed, from) => unpackAll(packed, sizesOf(from)));
      return shapes.map((shape, i) => tf.tensor(Float32Array.from(parts.flatMap((from) => [...from[i]!])), shape));
    },
  };
}

const carried = ({ dtype = "float32" }: { readonly dtype?: string }): boolean => dtype === "float32";

/** Names the axis whose sums it carries; `feedback: false` forgets what is lost, for comparison. */
export const int8 = ({ axis, feedback = true }: { readonly axis: string; readonly feedback?: boolean }): Strategy => ({
  name: "int8",
  axis,
  wire: {
    wrap: (group) => compressed(group, feedback),
    bytes(call, members) {
      if ((call.op !== "allReduce" && call.op !== "reduceScatter") || !carried(call)) return bytesOf(call, members);
      const places = Array.from({ length: members }, (_, i) => i);
      const packed = call.sizes.flatMap((size) => places.map((i) => packedBytes(chunkSize(size, members, i))));
      return (call.op === "allReduce" ? 2 : 1) * (members - 1) * sum(packed);
    },
  },
});

/** Carries one batch axis of the strategy beside it, or that of data parallelism. */
export const int8Fixture: Fixture = {
  name: "int8",
  tolerance: 0.05,
  make({ size, batch, beside: [axis] }) {
    if (axis !== undefined) return { mesh: {}, strategies: [int8({ axis })] };
    return { mesh: { [batch]: size }, strategies: [zero({ stage: 0, axis: batch }), int8({ axis: batch })] };
  },
};
