// The tape: backward against tfjs's gradient of the same function, collectives between members, and who owns a tensor.
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  directGroup,
  GradTape,
  type Held,
  localStore,
  Meter,
  type ParamSpec,
  rebind,
  recompute,
  segment,
  useDevice,
} from "../src/index.ts";
import { memoryEndpoints as memory } from "../src/transports/memory.ts";

beforeEach(() => useDevice("cpu"));
let before = 0;
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

const product = segment<"R", "P">({
  name: "product",
  params: ["w"],
  run: ([w], x) => tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D),
});
const squares = segment<"I", "I">({ name: "squares", params: [], run: (_, x) => x!.square().sum() });
const add = segment<"I", "I">({ name: "add", params: [], run: (_, x, y) => x!.add(y!) });

const spec: ParamSpec = { name: "a.w", shape: [3, 3], layer: 0, init: { kind: "constant", value: 0 }, split: {} };
/** Weights of member `at`. */
const weights = (at: number) => Float32Array.from({ length: 9 }, (_, i) => Math.sin(1 + i + 5 * at));
const input = () => tf.tensor2d([1, 2, 3, -1, 0, 2], [2, 3]);

/** One member of a group of `size`, with its store, tape and meter. */
function member(transport: ReturnType<typeof memory>[number], vjp = rebind) {
  const meter = new Meter();
  const store = localStore([{ spec, shape: [3, 3], values: weights(transport.rank) }], meter);
  const group = directGroup(
    "tp",
    transport,
    Array.from({ length: transport.size }, (_, i) => i),
  );
  return { meter, store, tape: new GradTape({ vjp, store, group: () => group, meter, at: "test" }) };
}

/** sum of squares of x + leave(enter(x) w); the loss, the gradient of x and of w on each member. */
async function train(size: number, vjp = rebind) {
  const transports = memory(size, { stall: 2000 });
  return Promise.all(
    transports.map(async (transport) => {
      const { tape, store, meter } = member(transport, vjp);
      const x = input() as unknown as Held<"I">;
      const branch = await tape.leave("tp", await tape.local(product, "a", await tape.enter("tp", x)));
      const y = await tape.local(squares, "", await tape.local(add, "", x, branch));
      tape.seal(y);
      const loss = y.dataSync()[0]!;
      const held = meter.now.activations;
      const dx = (await tape.backward(y, tf.scalar(1), x))!;
      const [dw] = store.takeGrads(["a.w"]);
      const answer = { loss, dx: [...dx.dataSync()], dw: [...dw!.dataSync()], held, left: meter.now.activations };
      tf.dispose([x, dx, dw!]);
      store.dispose();
      return answer;
    }),
  );
}

/** The same by tfjs: the members' weights add up. */
function expected(size: number) {
  return tf.tidy(() => {
    const w = tf.addN(Array.from({ length: size }, (_, at) => tf.tensor2d(weights(at), [3, 3])));
    const f = (x: tf.Tensor, w: tf.Tensor) =>
      x
        .add(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D))
        .square()
        .sum() as tf.Scalar;
    const [dx, dw] = tf.grads(f)([input(), w]);
    return { loss: f(input(), w).dataSync()[0]!, dx: [...dx!.dataSync()], dw: [...dw!.dataSync()] };
  });
}

function close(found: readonly number[], want: readonly number[]): void {
  for (const [i, value] of found.entries()) expect(value).toBeCloseTo(want[i]!, 3);
}

describe.each([1, 2, 3, 4])("on %i members", (size) => {
  test("loss and gradients are those of the sum", async () => {
    for (const { loss, dx, dw } of await train(size)) {
      expect(loss).toBeCloseTo(expected(size).loss, 3);
      close(dx, expected(size).dx);
      close(dw, expected(size).dw);
    }
  });

  test("recomputing gives the same bits", async () => {
    const values = (all: Awaited<ReturnType<typeof train>>) => all.map(({ loss, dx, dw }) => ({ loss, dx, dw }));
    expect(values(await train(size, recompute))).toEqual(values(await train(size)));
  });

  test("every activation that was counted is freed", async () => {
    for (const { held, left } of await train(size)) {
      expect(held).toBeGreaterThan(0);
      expect(left).toBe(0);
    }
  });
});

test("seal frees what no pullback reads, and keeps what one does", async () => {
  const [transport] = memory(1);
  const { tape, store } = member(transport!);
  const x = input() as unknown as Held<"I">;
  const doubled = await tape.local(segment<"I", "I">({ name: "neg", params: [], run: (_, x) => x!.neg() }), "", x);
  const squared = await tape.local(squares, "", doubled);
  const last = await tape.local(add, "", squared, squared);
  tape.seal(last);
  expect([doubled, last].map((t) => t.isDisposed)).toEqual([false, false]);
  tape.drop();
  expect([doubled, squared, last].map((t) => t.isDisposed)).toEqual([true, true, true]);
  tf.dispose(x);
  store.dispose();
});

test("dropping keeps the output alone", async () => {
  const [transport] = memory(1);
  const { tape, store, meter } = member(transport!);
  const x = input() as unknown as Held<"R">;
  const y = await tape.local(product, "a", x);
  tape.drop(y);
  expect([y.isDisposed, meter.now.activations]).toEqual([false, 0]);
  tf.dispose([x, y]);
  store.dispose();
});
