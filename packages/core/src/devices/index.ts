// Devices by name: each sets tfjs up on this thread. Everything else reaches a device through tfjs alone.
import * as tf from "@tensorflow/tfjs";
import type { Device } from "../plan/options.ts";
import { useFastGradients } from "./wasm/gradients.ts";

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

/** What has to happen before tfjs can start a backend. */
const prepare: Record<Exclude<Device, "auto">, () => Promise<unknown>> = {
  cpu: async () => {},
  wasm: async () => {
    await import("@tensorflow/tfjs-backend-wasm");
    useFastGradients();
  },
  webgpu: async () => (await import("./webgpu.ts")).webgpuBackend(),
};

/** Makes `device` the backend of this thread. Throws where it does not start. */
export async function useDevice(device: Device = "auto"): Promise<void> {
  const name = device === "auto" ? "wasm" : device;
  await prepare[name]();
  if (!(await withoutHandlers(() => tf.setBackend(name))))
    throw new Error(`device ${name} did not start; "cpu" runs everywhere, slowly`);
  await tf.ready();
}
