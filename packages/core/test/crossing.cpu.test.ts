// Every built-in crossing on real endpoints: its backward is its adjoint, its shape and its bytes are those it tells a plan.
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  allToAll,
  bytesOf,
  type Crossing,
  directGroup,
  enter,
  fillUniform,
  type Group,
  gather,
  leave,
  memoryEndpoints,
  type Placement,
  randomKey,
  type Shape,
  scatter,
  shift,
  useDevice,
} from "../src/index.ts";
import { elements } from "../src/model/segment.ts";
import { counted } from "../src/transports/counted.ts";

beforeEach(() => useDevice("cpu"));
let before = 0;
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

/** What a member holds: the same on all where its placement says so, its own where it is a shard or a part of a sum. */
function drawn(name: string, placement: Placement, shape: Shape, member: number): tf.Tensor {
  const values = new Float32Array(elements(shape));
  const same = placement === "I" || placement === "R";
  fillUniform(randomKey(1, `${name} ${same ? "all" : member}`), 0, values);
  return tf.tensor(
    values.map((v) => v - 0.5),
    [...shape],
  );
}

/** Runs `crossing` on every member. */
async function crossed(
  groups: readonly Group[],
  crossing: Crossing<Placement, Placement>,
  xs: readonly tf.Tensor[],
  at: string,
): Promise<tf.Tensor[]> {
  return Promise.all(groups.map((group, member) => crossing.apply(group, xs[member]!, at)));
}

/** Inner product of a tensor of this placement with its dual's: members are summed, an invariant one counts once. */
function inner(placement: Placement, xs: readonly tf.Tensor[], ys: readonly tf.Tensor[]): number {
  const each = xs.map((x, member) => tf.tidy(() => x.mul(ys[member]!).sum().dataSync()[0]!));
  return placement === "I" ? each[0]! : each.reduce((sum, value) => sum + value, 0);
}

function open(size: number) {
  const ends = memoryEndpoints(size, { stall: 5000 }).map(counted);
  const ranks = ends.map((_, rank) => rank);
  const groups = ends.map(({ endpoint }) => directGroup("ring", endpoint, ranks));
  return { groups, sent: () => ends.reduce((sum, end) => sum + (end.sent.ring ?? 0), 0) };
}

const crossings: readonly [Crossing<Placement, Placement>, (size: number) => Shape][] = [
  [enter, () => [2, 3]],
  [leave, () => [2, 3]],
  [gather(0), () => [2, 3, 2]],
  [gather(1), () => [2, 3, 2]],
  [gather(2), () => [2, 3, 2]],
  [scatter(0), (size) => [2 * size, 3]],
  [scatter(1), (size) => [3, 2 * size, 2]],
  [shift(1), () => [2, 3]],
  [shift(-1), () => [2, 3]],
  [shift(2), () => [5]],
  [allToAll(0, 1), (size) => [2 * size, 3]],
  [allToAll(1, 0), (size) => [3, 2 * size, 2]],
  [allToAll(2, 1), (size) => [2, 3, size]],
  [allToAll(1, 1), (size) => [2, 3 * size]],
];

describe.each([1, 2, 3, 4, 9])("on %i members", (size) => {
  test.each(crossings)("$name", async (crossing, shapeFor) => {
    const { from, to } = crossing;
    const { groups, sent } = open(size);
    const shape = shapeFor(size);
    const there = crossing.shape(shape, size);
    const xs = groups.map((_, member) => drawn("x", from, shape, member));
    const ys = groups.map((_, member) => drawn("y", crossing.back().from, there, member));

    const forward = await crossed(groups, crossing, xs, "F");
    const bytesForward = sent();
    const backward = await crossed(groups, crossing.back(), ys, "B");

    for (const y of forward) expect(y.shape).toEqual(there);
    for (const x of backward) expect(x.shape).toEqual(shape);
    expect(inner(from, xs, backward)).toBeCloseTo(inner(to, forward, ys), 5);
    const priced = (one: Crossing<Placement, Placement>, x: Shape) =>
      one.calls(x, size).reduce((sum, call) => sum + bytesOf(call, size), 0);
    expect(bytesForward).toBe(priced(crossing, shape));
    expect(sent() - bytesForward).toBe(priced(crossing.back(), there));
    tf.dispose([...xs, ...ys, ...forward, ...backward]); // what it was given is still the caller's
  });
});

test("the ring passes on to the member after it; a whole turn is where it began", async () => {
  const { groups } = open(3);
  const xs = groups.map((_, member) => tf.scalar(member));
  const once = await crossed(groups, shift(1), xs, "once");
  const around = await crossed(groups, shift(3), xs, "around");
  const read = (all: readonly tf.Tensor[]) => all.map((x) => x.dataSync()[0]);
  expect([read(once), read(around)]).toEqual([
    [2, 0, 1],
    [0, 1, 2],
  ]);
  tf.dispose([...xs, ...once, ...around]);
});

test("what the members do not divide is refused with the arithmetic, and nothing is left", async () => {
  const { groups } = open(3);
  const xs = groups.map(() => tf.ones([4, 2]));
  for (const crossing of [scatter(0), allToAll(0, 1)])
    await expect(crossing.apply(groups[0]!, xs[0]!, "odd")).rejects.toThrow(
      "ring 3 does not cut dim 0 of [4, 2]: 4 / 3 is not whole",
    );
  await expect(scatter(2).apply(groups[0]!, xs[0]!, "none")).rejects.toThrow("there is no such dim");
  tf.dispose(xs);
});
