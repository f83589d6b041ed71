// What is said where memory ends: the tensor, bytes asked for, held and free.
import * as tf from "@tensorflow/tfjs";
import { expect, test } from "vitest";
import { useDevice } from "../src/devices/index.ts";
import { withWayOut } from "../src/devices/lacking.ts";

test("a full wasm heap is an error that names the tensor, and the device goes on after it", async () => {
  process.env.ORTHANT_WASM_BYTES = `${6 * 2 ** 20}`;
  await useDevice("wasm");
  const before = tf.memory().numTensors;
  const large = () => tf.tidy(() => tf.ones([1024, 1024]).add(1).dataSync()[0]);
  expect(large).toThrow(
    /device wasm: out of memory: a tensor of \[1024,1024\]: 4\.0 MiB asked for, [\d.]+ MiB held, [\d.]+ MiB free/,
  );
  expect(tf.memory().numTensors).toBe(before);
  expect(tf.tidy(() => tf.ones([3]).add(1).dataSync())).toEqual(Float32Array.of(2, 2, 2));
});

test("TensorFlow's own words become one line", () => {
  const said =
    "Invalid TF_Status: 8\nMessage: OOM when allocating tensor with shape[1000,3000] and type float on /job:localhost/cpu";
  expect((withWayOut(new Error(said)) as Error).message).toMatch(
    /^device tensorflow: out of memory: a tensor of \[1000,3000\]: 11\.4 MiB asked for, .* held by tensors, .* free in this machine/,
  );
  expect((withWayOut(new RangeError("Array buffer allocation failed")) as Error).message).toMatch(/^out of memory: /);
  const other = new Error("something else");
  expect(withWayOut(other)).toBe(other);
});
