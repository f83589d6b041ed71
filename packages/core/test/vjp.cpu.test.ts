// Vector-Jacobian products of segments against tfjs's own, and what they keep in memory between forward and backward.
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { forwardOnly, kernels, rebind, recompute, useDevice, type Vjp } from "../src/index.ts";
import { functions, inputs, readAll, type Sample } from "./functions.ts";

let before = 0;
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

const seedOf = (y: tf.Tensor) => tf.tidy(() => tf.range(1, y.size + 1).reshape(y.shape));

/** Gradients by tfjs, under an output gradient that differs by element. */
function expected({ f }: Sample, xs: tf.Tensor[]): number[][] {
  const grads = tf.tidy(() => tf.grads((...all: tf.Tensor[]) => f(...all))(xs, seedOf(f(...xs))));
  const values = readAll(grads);
  tf.dispose(grads);
  return values;
}

/** Gradients by `vjp`; parameters are freed in between, as a sharded store does, and handed over again as copies. */
function found(vjp: Vjp, { f }: Sample, xs: tf.Tensor[]): number[][] {
  const copies = xs.map((x) => tf.tensor(x.dataSync(), x.shape));
  const { y, pullback } = vjp(f, xs);
  const dy = seedOf(y);
  tf.dispose(xs);
  const grads = pullback(dy, copies);
  const values = readAll(grads);
  tf.dispose([y, dy, ...copies, ...grads.filter((g) => g !== undefined)]);
  return values;
}

describe.each(["cpu", "wasm"] as const)("on %s", (device) => {
  beforeEach(() => useDevice(device));

  test.each(functions)("rebind and recompute give tf.grads' gradients: $name", (sample) => {
    const unused = inputs(sample);
    const want = sample.name === "an unused input" ? undefined : expected(sample, unused);
    const bound = found(rebind, sample, inputs(sample));
    if (want) for (const [i, v] of bound.flat().entries()) expect(v).toBeCloseTo(want.flat()[i]!, 5);
    else expect(bound[1]).toEqual([0, 0, 0, 0]);
    expect(found(recompute, sample, inputs(sample))).toEqual(bound);
    tf.dispose(unused);
  });

  test("after a forward, rebind holds no weights", () => {
    const [w, x] = [tf.ones([512, 512]), tf.ones([2, 512])];
    const weights = 4 * 512 * 512;
    const lone = tf.memory().numBytes;
    const { y, kept, needs, drop } = rebind((w, x) => tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D), [w, x]);
    const held = tf.memory().numBytes - lone;
    expect(needs).toEqual([true, true]);
    expect(kept).toBe(0);
    w.dispose();
    expect(tf.memory().numBytes).toBeLessThanOrEqual(lone - weights + 0.05 * weights);
    expect(held).toBeLessThanOrEqual(0.05 * weights);
    drop();
    tf.dispose([x, y]);
  });

  test("rebind says what it keeps, and that it will not read an input that nothing saved", () => {
    const x = tf.ones([3, 4]);
    const { y, kept, needs, drop } = rebind((x) => tf.exp(tf.neg(x!)).sum(), [x]);
    expect({ kept, needs }).toEqual({ kept: 3 * 4 * 4, needs: [false] });
    drop();
    tf.dispose([x, y]);
  });
});

/** Gradients by one part for the inputs at `first`, and another for the rest; then all is dropped. */
function inParts(vjp: Vjp, { f }: Sample, xs: tf.Tensor[], first: (i: number) => boolean): number[][] {
  const { y, part, drop } = vjp(f, xs);
  const [dy, want] = [seedOf(y), xs.map((_, i) => first(i))];
  const now = part(dy, xs, want);
  dy.dispose();
  const later = part(
    dy,
    xs,
    want.map((is) => !is),
  );
  drop();
  expect([now, later].map((part) => part.map((g) => g !== undefined))).toEqual([want, want.map((is) => !is)]);
  const grads = xs.map((_, i) => (now[i] ?? later[i])!);
  const values = readAll(grads);
  tf.dispose([y, ...xs, ...grads]);
  return values;
}

/** Three operations in a row, each with a parameter, the middle one of several inputs. */
const chain: Sample = {
  name: "a chain",
  f: (u, v, w, x) => tf.sigmoid(tf.matMul(tf.tanh(tf.matMul(x!, u!).mul(v!)), w!).add(x!)),
  shapes: [[4, 4], [4], [4, 4], [3, 4]],
};

describe.each(["cpu", "wasm"] as const)("in parts on %s", (device) => {
  beforeEach(() => useDevice(device));

  describe.each([
    ["rebind", rebind],
    ["recompute", recompute],
  ] as const)("%s", (_, vjp) => {
    test.each([...functions, chain])("gives the bits of one part: $name", (sample) => {
      const last = sample.shapes.length - 1;
      for (const first of [(i: number) => i === last, (i: number) => i !== last, (i: number) => i % 2 === 0])
        expect(inParts(vjp, sample, inputs(sample), first)).toEqual(found(vjp, sample, inputs(sample)));
    });

    test.each([...functions, chain])("one half and no other leaves nothing behind: $name", ({ f, shapes, name }) => {
      const xs = inputs({ f, shapes, name });
      const { y, part, drop } = vjp(f, xs);
      const dy = seedOf(y);
      const [dx] = part(
        dy,
        xs,
        xs.map((_, i) => i === 0),
      );
      drop();
      tf.dispose([y, dy, dx!, ...xs]);
    });
  });

  test("recompute runs the forward once more, not once a part", () => {
    let runs = 0;
    const f = (...xs: tf.Tensor[]) => {
      runs++;
      return chain.f(...xs);
    };
    inParts(recompute, { ...chain, f }, inputs(chain), (i) => i === 3);
    expect(runs).toBe(2);
  });

  test("between parts no input is held, and `kept` counts what is", () => {
    const [w, x] = [tf.ones([64, 8]), tf.ones([16, 64])];
    const linearized = rebind((w, x) => tf.matMul(tf.sigmoid(x!), w!), [w, x]);
    expect(linearized.kept).toBe(4 * 16 * 64);
    const dy = tf.onesLike(linearized.y);
    const [, dx] = linearized.part(dy, [w, x], [false, true]);
    expect(linearized.kept).toBe(4 * 16 * (64 + 8)); // the sigmoid, and the gradient that w's starts from
    const buffers = tf.memory().numDataBuffers;
    tf.dispose([w, x]);
    expect(tf.memory().numDataBuffers).toBe(buffers - 2);
    linearized.drop();
    tf.dispose([dy, dx!, linearized.y]);
  });
});

test("a gradient is given once", async () => {
  await useDevice("cpu");
  const x = tf.ones([2]);
  const { y, part, drop } = rebind((x) => x!.square(), [x]);
  const [dx] = part(y, [x], [true]);
  expect(() => part(y, [x], [true])).toThrow("the gradient of input 0 was given already: ask for each once");
  drop();
  tf.dispose([x, y, dx!]);
});

test("one tensor at two places has a gradient for each", async () => {
  await useDevice("cpu");
  const x = tf.tensor1d([3]);
  const { y, pullback } = rebind((a, b) => a!.mul(b!).mul(b!), [x, x]);
  const dy = tf.ones([1]);
  const grads = pullback(dy, [x, x]);
  expect(readAll(grads)).toEqual([[9], [18]]);
  tf.dispose([x, y, dy, ...(grads as tf.Tensor[])]);
});

test("an operation without a gradient is named, and a segment that throws leaves nothing behind", async () => {
  await useDevice("cpu");
  const x = tf.ones([2, 2]);
  const { y, pullback } = rebind((x) => kernels.addRow({ x: x!, row: tf.ones([2]) }).square(), [x]);
  tf.dispose(pullback(y, [x]) as tf.Tensor[]);
  tf.registerKernel({
    kernelName: "orthant.addRow",
    backendName: "cpu",
    kernelFunc: ({ inputs }) => (inputs.x as tf.Tensor).clone(),
  });
  const own = rebind((x) => kernels.addRow({ x: x!, row: tf.ones([2]) }).square(), [x]);
  tf.unregisterKernel("orthant.addRow", "cpu");
  expect(() => own.pullback(y, [x])).toThrow("operation orthant.addRow of this segment has no gradient in tfjs");
  const broken = (x?: tf.Tensor) => tf.matMul(x!.square(), tf.ones([3, 3]));
  expect(() => rebind(broken, [x])).toThrow("matMul");
  tf.dispose([x, y, own.y]);
});

describe("random numbers under recompute", () => {
  const drawn = (seed?: number) => (x?: tf.Tensor) => x!.mul(tf.randomUniform([8], 0, 1, "float32", seed)).square();

  test("a draw without a seed is refused, with the segment's name and the way out", async () => {
    await useDevice("cpu");
    const [x, { random }] = [tf.ones([8]), Math];
    for (const f of [drawn(), (x?: tf.Tensor) => tf.dropout(x!, 0.5)])
      expect(() => recompute(f, [x], "noise")).toThrow(/segment noise draws random numbers.*tape\.random\(name\)/);
    expect(Math.random).toBe(random);
    x.dispose();
  });

  test("a draw with a seed is drawn again as it was", async () => {
    await useDevice("cpu");
    const x = tf.ones([8]);
    const { y, pullback } = recompute(drawn(7), [x], "noise");
    const dy = tf.onesLike(y);
    const [dx] = pullback(dy, [x]);
    expect(readAll([dx])[0]).toEqual(readAll([y])[0]!.map((v) => 2 * v)); // y = (x u)^2 at x = 1
    tf.dispose([x, y, dy, dx!]);
  });
});

test("indices have no gradient", async () => {
  await useDevice("cpu");
  const table = tf.ones([5, 2]);
  const index = tf.tensor1d([1, 1, 3], "int32");
  const { y, pullback } = rebind((t, i) => tf.gather(t!, i as tf.Tensor1D), [table, index]);
  const dy = tf.onesLike(y);
  const [dtable, dindex] = pullback(dy, [table, index]);
  expect(dindex).toBeUndefined();
  expect([...dtable!.dataSync()]).toEqual([0, 0, 2, 2, 0, 0, 1, 1, 0, 0]);
  tf.dispose([table, index, y, dy, dtable!]);
});

test("a forward-only tape refuses to go back", () => {
  const x = tf.ones([2]);
  const { y, pullback } = forwardOnly((x) => x!.square(), [x]);
  expect(() => pullback(y, [x])).toThrow("this tape ran forward only: it has no gradients");
  tf.dispose([x, y]);
});
