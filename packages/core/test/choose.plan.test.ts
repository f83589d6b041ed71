// Which device "auto" takes, what it says, and what it costs to ask: devices here are plain objects that start or throw.
import { afterEach, expect, test, vi } from "vitest";
import { type Candidate, chosen, firstOf, localRank } from "../src/devices/choose.ts";
import { type Active, checkDevice, type Device, type DeviceName } from "../src/devices/device.ts";

const where = { localRank: 0 };
const works = (name: string, more: Partial<Active> = {}): Device => ({
  name,
  start: async () => ({ backend: name, ...more }),
});
const fails = (name: string, message: string): Device => ({
  name,
  start: async () => {
    throw new Error(message);
  },
});
const last: Candidate = { device: works("last") };

afterEach(() => vi.unstubAllEnvs());

test("the first that works is taken, and the line says why not the others", async () => {
  const absent = () => "no card";
  const candidates = [
    { device: works("one"), absent },
    { device: fails("two", "device two: its library is 3, and 4 is the oldest that works. Install 4.") },
    { device: works("three", { gpu: false }), onGpu: true },
    { device: works("four", { detail: "four 4.2 on a card" }) },
    last,
  ];
  const { device, why } = await firstOf(candidates, where);
  expect(device.name).toBe("four");
  expect(why).toBe("device four, four 4.2 on a card: no one (no card), no two (its library is 3), no three (no GPU)");
});

test("what is missing for one reason is told together", async () => {
  const absent = () => "no GPU";
  const candidates = [
    { device: works("cuda"), absent },
    { device: fails("tensorflow", "not installed") },
    { device: works("webgpu"), absent },
    last,
  ];
  const { why } = await firstOf(candidates, where);
  expect(why).toBe("device last: no cuda or webgpu (no GPU), no tensorflow (not installed)");
});

test("a device that is only worth it on a GPU can be taken later without one", async () => {
  const device = works("either", { gpu: false });
  const { why } = await firstOf([{ device, onGpu: true }, { device: fails("other", "lost") }, { device }, last], where);
  expect(why).toBe("device either: no other (lost)");
});

test("the last must start", async () => {
  await expect(firstOf([{ device: fails("last", "not even this") }], where)).rejects.toThrow("not even this");
  expect((await firstOf([last], where)).why).toBe("device last");
});

test("what is known to be absent is not started", async () => {
  let started = 0;
  const device: Device = {
    name: "slow",
    start: async () => {
      started++;
      return { backend: "slow" };
    },
  };
  await firstOf([{ device, absent: () => "no card" }, last], where);
  expect(started).toBe(0);
});

test("the environment names what a script leaves open", () => {
  vi.stubEnv("ORTHANT_DEVICE", "cpu");
  expect([chosen(), chosen("auto"), chosen("wasm")]).toEqual(["cpu", "cpu", "wasm"]);
  vi.stubEnv("ORTHANT_DEVICE", "");
  expect(chosen()).toBe("auto");
});

test("a name that no device has is refused, with who gave it", () => {
  expect(() => checkDevice("gpu" as DeviceName, "ORTHANT_DEVICE: ")).toThrow(
    'ORTHANT_DEVICE: no device "gpu"; there are',
  );
});

test("threads of a process are counted from its own place on the machine", () => {
  vi.stubEnv("ORTHANT_LOCAL_RANK", undefined);
  expect(localRank(1)).toBe(1);
  vi.stubEnv("ORTHANT_LOCAL_RANK", "2");
  expect([localRank(), localRank(1)]).toEqual([2, 3]);
});
