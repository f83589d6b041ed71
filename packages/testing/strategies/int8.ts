// Gradients as int8, one scale a tensor and receiver, with error feedback: what rounding lost is added to the same gradient of
// the next step (Seide et al.: 1-bit SGD, 2014). A wire: it carries the sums of any strategy along its axis, in rank order.
import { bytesOf, chunk, elements, type Group, type Strategy } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";

/** Packs a scale, then int8s; `values` become what is lost. */
function pack(values: Float32Array): Uint8Array {
  const scale = Math.fround(values.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / 127) || 1;
  const packed = new Uint8Array(4 + values.length);
  new DataView(packed.buffer).setFloat32(0, scale);
  values.forEach((x, i) => {
    packed[4 + i] = Math.round(x / scale);
    values[i] = x - Math.round(x / scale) * scale;
  });
  return packed;
}

/** Unpacks tensors of `sizes`, one after the other. */
function unpack(packed: Uint8Array, sizes: readonly number[]): Float32Array[] {
  let from = 0;
  return sizes.map((size) => {
    const scale = new DataView(packed.buffer, packed.byteOffset + from).getFloat32(0);
    from += 4 + size;
    return Float32Array.from(packed.subarray(from - size, from), (x) => ((x << 24) >> 24) * scale);
  });
}

function compressed(group: Group, feedback: boolean): Group {
  const lost = new Map<string, Float32Array>();
  const members = Array.from({ length: group.size }, (_, i) => i);
  const packAll = (parts: readonly Float32Array[], call: string): Uint8Array =>
    Buffer.concat(
      parts.map((part, i) => {
        const name = `${call.replace(/^step \d+ /, "")} ${i}`;
        const values = part.map((x, at) => x + (lost.get(name)?.[at] ?? 0));
        if (feedback) lost.set(name, values);
        return pack(values);
      }),
    );
  /** Sums over members this member's chunk of each tensor. */
  async function sumMine(xs: readonly tf.Tensor[], at: string): Promise<Float32Array[]> {
    const values = await Promise.all(xs.map(async (x) => (await x.data()) as Float32Array));
    tf.dispose([...xs]);
    const chunksFor = (to: number) => values.map((v) => v.subarray(...chunk(v.length, group.size, to)));
    const sizes = chunksFor(group.rank).map(({ length }) => length);
    const parts = members.map((to) => packAll(chunksFor(to), `${at} to ${to}`));
    const received = (await group.exchange(parts, at)).map((packed) => unpack(packed, sizes));
    return sizes.map((size, i) =>
      received.reduce((sum, from) => sum.map((x, k) => x + from[i]![k]!), new Float32Array(size)),
    );
  }
  return {
    ...group,
    extra: {
      read: () => lost,
      write(vectors) {
        for (const [name, vector] of vectors) lost.set(name, vector);
      },
    },
    reduceScatter: async (xs, at) => (await sumMine(xs, at)).map((mine) => tf.tensor1d(mine)),
    async allReduce(xs, at) {
      const shapes = xs.map(({ shape }) => shape);
      const sizesOf = (i: number) =>
        shapes.map((s) => chunk(elements(s), group.size, i)).map(([from, to]) => to - from);
      const mine = packAll(await sumMine(xs, at), `${at} sums`);
      const all = await group.exchange(Array<Uint8Array>(group.size).fill(mine), `${at} sums`);
      const parts = all.map((packed, i) => unpack(packed, sizesOf(i)));
      return shapes.map((shape, i) => tf.tensor(Float32Array.from(parts.flatMap((from) => [...from[i]!])), shape));
    },
  };
}

/** Names the axis whose sums it carries; `feedback: false` forgets what is lost, for comparison. */
export const int8 = ({ axis, feedback = true }: { readonly axis: string; readonly feedback?: boolean }): Strategy => ({
  name: "int8",
  axis,
  wire: {
    wrap: (group) => compressed(group, feedback),
    bytes({ op, sizes, ...call }, members) {
      if (op !== "allReduce" && op !== "reduceScatter") return bytesOf({ op, sizes, ...call }, members);
      const packed = sizes.reduce((sum, size) => sum + size + 4 * members, 0);
      return (op === "allReduce" ? 2 : 1) * (members - 1) * packed;
    },
  },
});
