// Starts a device on this thread, and knows which one runs. Everything else reaches a device through tfjs alone.
import * as tf from "@tensorflow/tfjs";
import { cpu } from "./cpu.ts";
import type { Active, Device, DeviceChoice, Where } from "./device.ts";
import { wasm } from "./wasm/device.ts";

/** The webgpu device's package is optional: loaded when it is asked for. */
const webgpu: Device = {
  name: "webgpu",
  start: async () => (await import("./webgpu/device.ts")).startWebgpu(),
};

const builtIn: Readonly<Record<Extract<DeviceChoice, string>, Device>> = { auto: wasm, wasm, cpu, webgpu };

/** Where a backend carries what its device can do: tfjs has one backend a thread, and this is its state, not ours. */
const mark = Symbol.for("orthant.device");

type Marked = tf.KernelBackend & { [mark]?: Active };

/** Tells what the device that `useDevice` started on this thread can do; undefined where tfjs runs on none of those. */
export const activeDevice = (): Active | undefined => (tf.getBackend() ? (tf.backend() as Marked)[mark] : undefined); // `tf.backend()` would start tfjs's own choice

const fatal = ["uncaughtException", "unhandledRejection"] as const;

/** Runs `start`, then takes away the handlers it hung on the process: tfjs's wasm module rethrows errors that are not its own. */
async function withoutHandlers(start: () => Promise<boolean>): Promise<boolean> {
  const before = fatal.map((event) => process.listeners(event as "uncaughtException"));
  const ok = await start();
  fatal.forEach((event, i) => {
    for (const listener of process.listeners(event as "uncaughtException"))
      if (!before[i]!.includes(listener)) process.removeListener(event, listener);
  });
  return ok;
}

function register(kernels: readonly tf.KernelConfig[]): void {
  for (const config of kernels) {
    const { kernelName, backendName } = config;
    if (tf.getKernel(kernelName, backendName)) tf.unregisterKernel(kernelName, backendName);
    tf.registerKernel(config);
  }
}

/** Starts a device and makes it the backend of this thread; "auto", which is wasm, by default. Throws where it does not start. */
export async function useDevice(choice: DeviceChoice = "auto", where: Where = { localRank: 0 }): Promise<Active> {
  const device = typeof choice === "string" ? builtIn[choice] : choice;
  const active = await device.start(where);
  register(active.kernels ?? []);
  if (!(await withoutHandlers(() => tf.setBackend(active.backend))))
    throw new Error(`device ${device.name} did not start; "cpu" runs everywhere, slowly`);
  await tf.ready();
  (tf.backend() as Marked)[mark] = active;
  return active;
}
