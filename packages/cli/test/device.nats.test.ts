// What `orthant run` tells its ranks of devices: the one that was asked for, and which accelerator of the machine is whose.
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { Launcher } from "./launcher.ts";

const script = fileURLToPath(new URL("./accelerators.ts", import.meta.url));

test.each([["--nats", "embedded"], ["--threads"]])("each rank has its own accelerator: %s", async (...transport) => {
  const run = new Launcher(tmpdir(), ["run", "--ranks", "2", ...transport, "--device", "webgpu", script]);
  expect(await run.code()).toBe(0);
  expect(run.out).toContain("accelerator 0, webgpu");
  expect(run.out).toContain("accelerator 1, webgpu");
});

test("a device that there is not ends the run before it trains, in one line", async () => {
  const run = new Launcher(tmpdir(), ["run", "--ranks", "2", "--device", "gpu", script]);
  expect(await run.code()).toBe(2);
  expect(run.error).toBe("--device gpu is none of auto, wasm, cpu, webgpu, tensorflow, cuda\n");
});
