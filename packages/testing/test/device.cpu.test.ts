// `testDevice` tells a right device from wrong ones: tfjs's cpu backend under another name, with one kernel exchanged.
import type { Active, Device } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import { afterEach, expect, test } from "vitest";
import { testDevice } from "../src/index.ts";

const seed = 7;

/** A device with `kernelFunc` in the place of one kernel; without it, where that is undefined. */
function altered(kernelName?: string, kernelFunc?: tf.KernelFunc): Device {
  const backend = "altered";
  return {
    name: backend,
    async start(): Promise<Active> {
      if (tf.findBackendFactory(backend)) return { backend };
      tf.registerBackend(backend, tf.findBackendFactory("cpu"));
      tf.copyRegisteredKernels("cpu", backend);
      if (!kernelName) return { backend };
      if (tf.getKernel(kernelName, backend)) tf.unregisterKernel(kernelName, backend);
      return { backend, kernels: kernelFunc ? [{ kernelName, backendName: backend, kernelFunc }] : [] };
    },
  };
}

afterEach(() => {
  tf.getKernelsForBackend("altered").forEach(({ kernelName }) => void tf.unregisterKernel(kernelName, "altered"));
  if (tf.findBackendFactory("altered")) tf.removeBackend("altered");
});

/** What the checks with `name` say. */
async function said(device: Device, name: string): Promise<string[]> {
  const cases = testDevice(device, { seed }).filter((at) => at.name.startsWith(name));
  expect(cases.length).toBeGreaterThan(0);
  return (await Promise.allSettled(cases.map(({ run }) => run()))).map((end) =>
    end.status === "rejected" ? (end.reason as Error).message : "",
  );
}

const cpuKernel = (name: string, args: Parameters<tf.KernelFunc>[0]): tf.TensorInfo =>
  tf.getKernel(name, "cpu").kernelFunc(args) as tf.TensorInfo;
const valuesOf = (x: unknown): Float32Array => (x as tf.Tensor).dataSync() as Float32Array;

test("a right device passes", async () => {
  for (const { run } of testDevice(altered(), { seed }).filter(({ name }) => !name.startsWith("tf.layers")))
    await run();
}, 120_000);

test("a wrong kernel is named with its seed, shapes and error", async () => {
  const device = altered("Exp", ({ inputs }) =>
    tf.tensor(valuesOf(inputs.x).map(Math.exp), (inputs.x as tf.Tensor).shape).mul(1.001),
  );
  const [message] = await said(device, "exp");
  expect(message).toMatch(/^seed 7: output 0 of 2 is 1\.0e-3 from that of cpu, over 0\.0001: .*; inputs \[\d+,\d+\]/);
});

test("a kernel that the device lacks is named", async () => {
  const [message] = await said(altered("Softmax"), "softmax");
  expect(message).toContain("Kernel 'Softmax' not registered for backend 'altered'");
});

test("one that writes to its input is found", async () => {
  const device = altered("Square", (args) => {
    const y = cpuKernel("Square", args);
    valuesOf(args.inputs.x)[0] = 9;
    return y;
  });
  expect((await said(device, "square"))[0]).toContain("it wrote to its input or beside it");
});

test("one that leaves a tensor behind is found", async () => {
  const device = altered("Neg", (args) => {
    tf.keep(tf.zeros([3]));
    return cpuKernel("Neg", args);
  });
  expect((await said(device, "neg"))[0]).toContain("tensors were left behind");
});
