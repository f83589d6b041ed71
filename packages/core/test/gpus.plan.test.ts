// Which GPUs of a machine the webgpu device divides among its ranks. The choice itself, in software: tests/runtimes/webgpu/gpus.ts.
import { expect, test } from "vitest";
import { alike, toSelector } from "../src/devices/webgpu/gpus.ts";

test("places on the PCI bus, as the kernel, nvidia-smi and lspci write them", () => {
  for (const place of ["0000:17:00.0", "00000000:17:00.0"]) expect(toSelector(place)).toBe("pci-0000_17_00_0");
  expect(toSelector("0000:AF:00.0")).toBe("pci-0000_af_00_0");
  expect(toSelector("10de:2330")).toBe("10de:2330");
  for (const wrong of ["1", "cuda:0x", "17:00.0:1", ""])
    expect(() => toSelector(wrong)).toThrow(`ORTHANT_WEBGPU_GPUS names "${wrong}"`);
});

test("GPUs of one model are divided; one beside others is not", () => {
  const found = [
    ["0000:65:00.0", "H100"],
    ["0000:00:02.0", "UHD 770"],
    ["0000:17:00.0", "H100"],
  ] as const;
  expect(alike(found)).toEqual(["0000:17:00.0", "0000:65:00.0"]);
  expect(alike(found.slice(0, 2))).toHaveLength(1);
  expect(alike([])).toEqual([]);
});
