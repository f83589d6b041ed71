// Tokens a second on a GPU: the trainer on the webgpu device beside plain tfjs code of the same GPT on the same card. What
// `npm run pack:gpu` packs; runs alone under Deno too. Arguments: LAYERSxWIDTH, several.
import { argv, exit } from "node:process";
import "@tensorflow/tfjs-backend-webgpu";
import { useDevice } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { type Job, meter, ourSteps, registerStock, type Step, stockName, stockSteps, typical } from "./webgpu-sides.ts";

const batch = 4;

const jobOf = (shape: string): Job => {
  const [layers, width] = shape.split("x").map(Number) as [number, number];
  return { layers, width, heads: width / 64, context: 1024, vocab: 1024, batch };
};

const show = (side: string, { ms, kernels, busy, loss }: Step, job: Job): string =>
  `${side}: ${((1000 * batch * job.context) / ms).toFixed(0)} tokens/s, ${ms.toFixed(1)} ms a step, ` +
  `${kernels} kernels, JavaScript ${busy.toFixed(1)} ms; loss ${loss.toFixed(4)}`;

/** Products of odd and even sizes, each side transposed or not, on both backends. */
async function productError(): Promise<number> {
  const product = async (backend: string, M: number, K: number, flips: readonly [boolean, boolean]) => {
    await tf.setBackend(backend);
    const y = tf.tidy(() => {
      const a = tf.randomUniform([3, ...(flips[0] ? [K, M] : [M, K])], -1, 1, "float32", 1);
      const b = tf.randomUniform([3, ...(flips[1] ? [200, K] : [K, 200])], -1, 1, "float32", 2);
      return tf.matMul(a, b, ...flips);
    });
    const values = await y.data();
    y.dispose();
    return values;
  };
  let worst = 0;
  for (const [M, K] of [
    [1, 7],
    [100, 33],
    [1030, 64],
    [768, 1000],
  ] as const)
    for (const flips of [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ] as const) {
      const [ours, stock] = [await product("webgpu", M, K, flips), await product(stockName, M, K, flips)];
      for (const [i, value] of ours.entries()) worst = Math.max(worst, Math.abs(value - stock[i]!));
    }
  return worst;
}

tf.copyRegisteredKernels("webgpu", stockName);
const { detail } = await useDevice("webgpu");
console.log(detail);
await registerStock();
console.log(`largest difference of our products from tfjs's: ${await productError()}`);
const counted = meter();
const shapes = argv.slice(2).filter((arg) => /^\d+x\d+$/.test(arg));
for (const shape of shapes.length ? shapes : ["4x256", "12x768"]) {
  const job = jobOf(shape);
  const ours = await ourSteps(job, 6, counted);
  console.log(show(`${shape} ours `, typical(ours), job), "losses", ours.map(({ loss }) => loss.toFixed(4)).join(" "));
  if (argv.includes("--ours")) continue;
  const stock = await stockSteps(job, 4, counted);
  console.log(show(`${shape} plain`, typical(stock), job));
  console.log(`${shape} ratio ${(typical(stock).ms / typical(ours).ms).toFixed(2)}`);
}
exit(0);
