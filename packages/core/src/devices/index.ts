// Starts a device on this thread, and knows which one runs. Everything else reaches a device through tfjs alone.
import * as tf from "@tensorflow/tfjs";
import { activeDevice, markActive } from "./active.ts";
import { type Candidate, chosen, firstOf, localRank, noGpu, noNvidia, noneOf } from "./choose.ts";
import { cpu } from "./cpu.ts";
import { cuda } from "./cuda.ts";
import {
  type Active,
  checkDevice,
  checkPrecision,
  type Device,
  type DeviceChoice,
  type DeviceName,
  type Where,
} from "./device.ts";
import { wasm } from "./wasm/device.ts";

/** The webgpu device's package is optional: loaded when it is asked for. */
const webgpu: Device = {
  name: "webgpu",
  precisions: ["fp32"],
  start: async (where) => (await import("./webgpu/device.ts")).startWebgpu(where),
};

const tensorflow: Device = {
  name: "tensorflow",
  threads: 1,
  precisions: ["fp32"],
  start: async (where) => (await import("./tensorflow/device.ts")).tensorflow.start(where),
};

const builtIn: Readonly<Record<Exclude<DeviceName, "auto">, Device>> = { wasm, cpu, webgpu, tensorflow, cuda };

/** Where both packages have their addon: npm may have left it out, as this repository's own install does. */
const [tfjsNode, tfjsNodeGpu] = ["@tensorflow/tfjs-node/lib", "@tensorflow/tfjs-node-gpu/lib"];

/** What "auto" tries, the last of which works everywhere. */
const candidates: readonly Candidate[] = [
  { device: cuda, absent: noNvidia },
  { device: tensorflow, absent: () => noNvidia() ?? noneOf(tfjsNodeGpu), onGpu: true },
  { device: webgpu, absent: noGpu, onGpu: true },
  { device: tensorflow, absent: () => noneOf(tfjsNode, tfjsNodeGpu) },
  { device: wasm },
];

export { activeDevice };

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

/** Starts what was chosen, or the first that works; `tell` hears which, in one line, where it was left open. */
async function started(choice: DeviceChoice, where: Where, tell?: (line: string) => void) {
  if (choice !== "auto") {
    const device = typeof choice === "string" ? builtIn[choice] : choice;
    checkPrecision(device, where.precision);
    return { device, active: await device.start(where) };
  }
  const found = await firstOf(candidates, where);
  checkPrecision(found.device, where.precision);
  tell?.(found.why);
  return found;
}

/**
 * Starts a device and makes it the backend of this thread. "auto", the default, is the device that ORTHANT_DEVICE names, else the
 * first that works of cuda, tensorflow on a GPU, webgpu on a GPU, tensorflow, wasm; `tell` hears which, and why, in one line. Throws
 * where the device does not start.
 */
export async function useDevice(
  choice: DeviceChoice = "auto",
  where: Where = { localRank: localRank() },
  tell?: (line: string) => void,
): Promise<Active> {
  const wanted = chosen(choice);
  checkDevice(wanted, choice === wanted ? "" : "ORTHANT_DEVICE: ");
  const { device, active } = await started(wanted, where, tell);
  register(active.kernels ?? []);
  if (!(await withoutHandlers(() => tf.setBackend(active.backend))))
    throw new Error(`device ${device.name} did not start; "cpu" runs everywhere, slowly`);
  await tf.ready();
  markActive(active);
  return active;
}

/** Whether a device computes in one thread of a process only; its name where it does. */
export function onOneThread(choice: DeviceChoice | undefined): string | undefined {
  const wanted = chosen(choice);
  const device = typeof wanted === "object" ? wanted : wanted === "auto" ? undefined : builtIn[wanted];
  return device?.threads === 1 ? device.name : undefined;
}

/** Where a run says which device it took; nowhere where it is to be quiet. */
export const told = ({ quiet }: { readonly quiet?: boolean }): ((line: string) => void) | undefined =>
  quiet ? undefined : (line) => void process.stdout.write(`${line}\n`);
