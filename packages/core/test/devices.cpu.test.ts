// Devices: which one a thread runs on, one of a third party's, and what `forward` does about it.
import * as tf from "@tensorflow/tfjs";
import { afterEach, expect, test } from "vitest";
import {
  activeDevice,
  adamw,
  type Data,
  type Device,
  forward,
  type Model,
  memory,
  run,
  segment,
  threads,
  train,
  useDevice,
} from "../src/index.ts";

const scaled = segment({ name: "scaled", params: ["gain"], run: ([gain], x) => x!.mul(gain!) });
const summed = segment({ name: "summed", params: [], run: (_, y, t) => y!.sub(t!).square().sum() });
const model: Model = {
  name: "scale",
  layers: [
    {
      name: "in",
      params: [{ name: "gain", shape: [2], init: { kind: "constant", value: 3 } }],
      forward: (tape, x) => tape.local(scaled, "in", x),
    },
  ],
  loss: (tape, y, target) => tape.local(summed, "", y, target),
};
const field = { shape: [2], dtype: "float32" } as const;
const one = () => Float32Array.of(1, 1);
const data: Data = { input: field, target: field, tokens: 1, sample: () => ({ input: one(), target: one() }) };
const options = {
  model,
  data,
  batch: 2,
  steps: 1,
  optimizer: adamw({ lr: 0.1 }),
  transport: memory(),
  run: false,
  quiet: true,
  collect: true,
} as const;
const input = { values: one(), shape: [1, 2], dtype: "float32" } as const;

/** tfjs's cpu backend under another name, with an optimizer kernel of its own. */
function countingDevice(): { device: Device; started: number[]; updates: () => number } {
  const started: number[] = [];
  let updates = 0;
  const kernelFunc: tf.KernelFunc = ({ inputs }) => {
    updates++;
    return [inputs.value, inputs.m, inputs.v].map((x) => (x as tf.Tensor).clone());
  };
  const device: Device = {
    name: "counting",
    async start({ localRank }) {
      started.push(localRank);
      tf.registerBackend("counting", tf.findBackendFactory("cpu"));
      tf.copyRegisteredKernels("cpu", "counting");
      return { backend: "counting", kernels: [{ kernelName: "orthant.adamw", backendName: "counting", kernelFunc }] };
    },
  };
  return { device, started, updates: () => updates };
}

afterEach(() => {
  if (tf.findBackendFactory("counting")) tf.removeBackend("counting");
});

test("forward stays on the device of the thread", async () => {
  const { weights } = await train({ ...options, device: "cpu" });
  const run = await forward(model, weights);
  expect(tf.getBackend()).toBe("cpu");
  expect([...(await run(input))]).toEqual([...weights.get("in.gain")!]);
  run.dispose();
});

test("forward moves to the device that it is given, and starts the default where none runs", async () => {
  const weights = new Map([["in.gain", one()]]);
  await useDevice("cpu");
  (await forward(model, weights, "wasm")).dispose();
  expect(tf.getBackend()).toBe("wasm");
  tf.registerBackend("counting", tf.findBackendFactory("cpu"));
  await tf.setBackend("counting"); // tfjs's doing, not a device's
  expect(activeDevice()).toBeUndefined();
  (await forward(model, weights)).dispose();
  expect(tf.getBackend()).toBe("wasm");
});

test("a device of one's own trains, by its own kernels", async () => {
  const { device, started, updates } = countingDevice();
  const { weights } = await train({ ...options, device });
  expect({ started, updates: updates(), backend: tf.getBackend() }).toEqual({
    started: [0],
    updates: 1,
    backend: "counting",
  });
  expect([...weights.get("in.gain")!]).toEqual([3, 3]); // this kernel changes nothing
  expect(activeDevice()?.backend).toBe("counting");
});

test("a device that does not start is an error, and one that is none is refused", async () => {
  const device: Device = { name: "absent", start: async () => ({ backend: "absent" }) };
  await expect(useDevice(device)).rejects.toThrow("absent");
  expect(tf.getBackend()).not.toBe("absent");
  await expect(train({ ...options, device: { name: "half" } as Device })).rejects.toThrow("device half has no start()");
});

test("wasm counts what it holds", async () => {
  const { bytesHeld } = await useDevice("wasm");
  const x = tf.ones([1024, 1024]);
  expect(bytesHeld!()).toBeGreaterThan(4 * 1024 * 1024);
  x.dispose();
});

test("a device is asked for a precision by train's option, and one that lacks it is refused", async () => {
  const asked: (string | undefined)[] = [];
  const device: Device = {
    name: "asked",
    precisions: ["fp32", "bf16"],
    async start({ precision }) {
      asked.push(precision);
      return { backend: "cpu" };
    },
  };
  await train({ ...options, device, precision: "bf16" });
  await train({ ...options, device });
  expect(asked).toEqual(["bf16", undefined]);
  await expect(train({ ...options, device, precision: "fp8" })).rejects.toThrow(
    'device asked has no precision "fp8"; it has fp32, bf16',
  );
  await expect(train({ ...options, device: "cpu", precision: "bf16" })).rejects.toThrow("it has fp32");
});

test("ranks in several threads on a device that takes one are refused before a thread starts", async () => {
  const { start } = countingDevice().device;
  const device: Device = { name: "single", threads: 1, start };
  const strategy = { name: "halves", axis: "dp", divides: "batch" } as const;
  const two = {
    ...options,
    mesh: { dp: 2 },
    strategies: [strategy],
    transport: threads({ workers: 2, script: import.meta.url }),
  };
  await expect(train({ ...two, device })).rejects.toThrow(
    "device single computes in one thread of a process, and 2 ranks are in threads of one: give each rank a process",
  );
  await expect(train({ ...two, device: "tensorflow" })).rejects.toThrow("device tensorflow computes in one thread");
});

test("a step reports what the device says it holds, shared among the ranks on it", async () => {
  const session = await run({ ...options, device: "wasm" });
  const reports = [];
  for await (const report of session) reports.push(report.device);
  await session.close();
  expect(reports).toEqual([activeDevice()!.bytesHeld!()]);
  const onCpu = await run({ ...options, device: "cpu" });
  for await (const { device, held } of onCpu) expect([device, held > 0]).toEqual([0, true]);
  await onCpu.close();
});

test("a kernel that the device lacks is named, with what to do", async () => {
  const { device } = countingDevice();
  const start: Device["start"] = async (where) => {
    const active = await device.start(where);
    tf.unregisterKernel("Multiply", "counting");
    return active;
  };
  await expect(train({ ...options, device: { name: "counting", start } })).rejects.toThrow(
    /^rank 0 failed at step 0, action \S+: device counting has no kernel "Multiply", .*: choose another device .* or register one/,
  );
});
