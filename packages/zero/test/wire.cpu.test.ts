// Collectives over the wire of `zero`: the same bits on every member, near the flat float32 ones, exactly the bytes of the price.

import { chunk, directGroup, type Endpoint, type Group, memoryEndpoints } from "@orthant/core";
import { axisOfKey } from "@orthant/core/transport-kit";
import * as tf from "@tensorflow/tfjs";
import { describe, expect, test } from "vitest";
import type { Precision } from "../src/wire/codec.ts";
import { wireOf } from "../src/wire/wire.ts";

const shapes = [[7, 3], [5], [2], [300, 2]];
const sizes = [21, 5, 2, 600];
const values = (rank: number, size: number) =>
  Float32Array.from({ length: size }, (_, i) => Math.sin(i * 7 + rank / 2) * (1 + (i % 4)));

/** Runs what each member does over the wire; resolves to the results and all bytes sent. */
async function over<T>(
  members: number,
  { precision, machine = Number.POSITIVE_INFINITY }: { precision: Precision; machine?: number | undefined },
  each: (group: Group) => Promise<T>,
) {
  let bytes = 0;
  const counted = (inner: Endpoint): Endpoint => ({
    ...inner,
    send(to, key, frame) {
      if (axisOfKey(key) === "dp") bytes += to.length * frame.data.byteLength;
      return inner.send(to, key, frame);
    },
  });
  const wire = wireOf({ wire: { gather: precision, reduce: precision, block: 256 }, machine });
  const ranks = Array.from({ length: members }, (_, i) => i);
  const groups = memoryEndpoints(members).map((endpoint) => directGroup("dp", counted(endpoint), ranks));
  const results = await Promise.all(groups.map((group) => each(wire && members > 1 ? wire.wrap(group) : group)));
  return { results, bytes, wire };
}

const tensors = (rank: number) => shapes.map((shape, i) => tf.tensor(values(rank, sizes[i]!), shape));
const chunks = (rank: number, members: number) =>
  sizes.map((size) => tf.tensor1d(values(9, size).slice(...chunk(size, members, rank))));

const read = (xs: readonly tf.Tensor[]): number[][] =>
  xs.map((x) => {
    const data = [...x.dataSync()];
    x.dispose();
    return data;
  });

const calls = {
  allReduce: async (group: Group) => read(await group.allReduce(tensors(group.rank), "step 0 end")),
  reduceScatter: async (group: Group) => read(await group.reduceScatter(tensors(group.rank), "step 0 end")),
  allGather: async (group: Group) =>
    read(await group.allGather(chunks(group.rank, group.size), shapes, "step 0 gather")),
};

const distance = (found: readonly number[][], expected: readonly number[][]): number =>
  Math.hypot(...found.flat().map((x, i) => x - expected.flat()[i]!)) / Math.hypot(...expected.flat());

const bound = { f32: 1e-6, bf16: 5e-3, int8: 2e-2 };
const wires = [1, 2, 3, 4, 6].flatMap((members) =>
  (["f32", "bf16", "int8"] as const).flatMap((precision) =>
    [undefined, 1, 2, 3]
      .filter((machine) => machine === undefined || members % Math.min(machine, members) === 0)
      .map((machine) => ({ members, precision, machine })),
  ),
);

describe.each(wires)("$precision, $members members, $machine on a machine", ({ members, ...way }) => {
  test.each(["allReduce", "reduceScatter", "allGather"] as const)("%s", async (op) => {
    const before = tf.memory().numTensors;
    const flat = await over(members, { precision: "f32" }, calls[op]);
    const { results, bytes, wire } = await over(members, way, calls[op]);
    for (const [i, result] of results.entries()) {
      expect(result.map(({ length }) => length)).toEqual(flat.results[i]!.map(({ length }) => length));
      expect(distance(result, flat.results[i]!)).toBeLessThan(bound[way.precision]);
      if (op !== "reduceScatter") expect(result).toEqual(results[0]);
    }
    expect(bytes).toBe(members > 1 && wire ? wire.bytes({ op, sizes }, members) : flat.bytes);
    expect(tf.memory().numTensors).toBe(before);
  });
});

test("int32 travels as it is", async () => {
  const { results } = await over(3, { precision: "int8" }, async (group) =>
    read(await group.allReduce([tf.tensor1d([70000 + group.rank], "int32")], "step 0 end")),
  );
  expect(results).toEqual([[[210003]], [[210003]], [[210003]]]);
});

test("of a gather or a sum over two machines, the slow link carries each byte once", async () => {
  const between = async (machine: number | undefined) => {
    let slow = 0;
    const watched = (inner: Endpoint): Endpoint => ({
      ...inner,
      send(to, key, frame) {
        slow += to.filter((rank) => rank >> 1 !== inner.rank >> 1).length * frame.data.byteLength;
        return inner.send(to, key, frame);
      },
    });
    const wire = wireOf({
      wire: { gather: "f32", reduce: "f32", block: 256 },
      machine: machine ?? Number.POSITIVE_INFINITY,
    });
    await Promise.all(
      memoryEndpoints(4).map((endpoint) => {
        const group = directGroup("dp", watched(endpoint), [0, 1, 2, 3]);
        return calls.allReduce(wire?.wrap(group) ?? group);
      }),
    );
    return slow;
  };
  const all = 4 * sizes.reduce((a, b) => a + b, 0);
  expect(await between(2)).toBe(2 * all); // each machine's sum to the other and back: half of it each, both ways
  expect(await between(undefined)).toBe(4 * all);
});
