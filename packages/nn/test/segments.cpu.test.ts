// Every segment against its naive form: output and every gradient, on the wasm and the plain cpu backend; then what a
// segment keeps, that it repeats bit by bit, and that it leaves no tensor behind.
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { useFastGradients } from "@orthant/core";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import * as segments from "../src/segments/index.ts";
import { groupedAttention, naive } from "../src/segments/naive.ts";
import { type Case, cases, rotary, segmentOf } from "./cases.ts";
import { gradients, keptElements, largest, worstError } from "./compare.ts";

const naiveOf: typeof naive = { ...naive, groupedAttention: groupedAttention(rotary) };
const title = ({ name, params, inputs }: Case): string => `${name} ${JSON.stringify([...params, ...inputs])}`;

const restore = useFastGradients();
afterAll(restore);

let before = 0;
beforeEach(async () => {
  await tf.ready();
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

describe.each(["wasm", "cpu"])("on %s", (backend) => {
  test.each(cases.map((at) => [title(at), at] as const))("%s", async (_, at) => {
    const expected = await gradients("cpu", naiveOf[at.name]!, at);
    const found = await gradients(backend, segmentOf(at.name).run, at);
    const errors = found.map((values, i) => worstError(values, expected[i]!, largest(expected)));
    expect(Math.max(...errors), errors.map((error) => error.toExponential(1)).join(" ")).toBeLessThan(1e-5);
  });
});

test.each(cases.map((at) => [title(at), at] as const))("twice the same bits: %s", async (_, at) => {
  expect(await gradients("wasm", segmentOf(at.name).run, at)).toEqual(
    await gradients("wasm", segmentOf(at.name).run, at),
  );
});

test.each(cases.map((at) => [title(at), at] as const))("shape and kept as declared: %s", async (_, at) => {
  await tf.setBackend("wasm");
  const { shape, kept } = segmentOf(at.name).shape(at.params, ...at.inputs);
  const found = keptElements(segmentOf(at.name).run, at);
  expect(found).toEqual({ shape, kept });
});

test("cross-entropy stays finite at logits of ten thousand", async () => {
  await tf.setBackend("wasm");
  const [logits, target] = [tf.tensor([1e4, -1e4, 0], [1, 1, 3]), tf.tensor([1], [1, 1], "int32")];
  const loss = tf.tidy(() => segments.crossEntropy.run([], logits, target));
  expect((await loss.data())[0]).toBe(2e4);
  tf.dispose([logits, target, loss]);
});

test("what does not fit the embedding is refused with the numbers", async () => {
  await tf.setBackend("wasm");
  const [tokens, positions, index] = [tf.ones([4, 2]), tf.ones([3, 2]), tf.tensor([0, 4], [1, 2], "int32")];
  const run = (table: tf.Tensor) => tf.tidy(() => segments.embedding.run([tokens, table], index));
  expect(() => run(positions)).toThrow("index 4 into a table of 4 rows");
  expect(() => tf.tidy(() => run(positions.slice([0, 0], [1, 2])))).toThrow(
    "a sequence of 2 tokens, but positions for 1",
  );
  tf.dispose([tokens, positions, index]);
});
