// Tries one device, in a process of its own because one that does not work may end it: prints its speed, or why not.
import { type DeviceChoice, useDevice } from "@orthant/core";
import { matMul, ones } from "@tensorflow/tfjs";

/** Rows and columns: a product takes some ms on each. */
const sides: Record<string, number> = { cpu: 192, wasm: 512, webgpu: 1024, tensorflow: 1024, cuda: 4096 };

async function gflops(device: DeviceChoice & string): Promise<number> {
  await useDevice(device);
  const side = sides[device] ?? 256;
  const a = ones([side, side]);
  const multiply = () => matMul(a, a).data();
  await multiply();
  const from = performance.now();
  let products = 0;
  for (; performance.now() - from < 300; products++) await multiply();
  return (products * 2 * side ** 3) / (performance.now() - from) / 1e6;
}

try {
  console.log(`gflops ${await gflops(process.argv[2] as DeviceChoice & string)}`);
} catch (error) {
  console.log(`failed ${(error as Error).message}`);
}
process.exit(0);
