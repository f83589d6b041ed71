// `npm run test:steady`: a small GPT trains 501 steps on each device of this machine, in a process of its own; prints tensors and the
// bytes that they hold after step 50 and step 500, and fails where there are more. Usage: node tests/devices/steady.ts [DEVICE ...]
import { execFileSync } from "node:child_process";
import { argv, env, execPath, exit } from "node:process";
import { activeDevice, adamw, type DeviceName, memory, run } from "@orthant/core";
import { tinyGpt, tinySequences } from "@orthant/testing";
import * as tf from "@tensorflow/tfjs";
import { softwareVulkan } from "../../scripts/setup-webgpu.ts";

const [early, late] = [50, 500];

/** Tensors of tfjs, their bytes, the device's own count of bytes, and tensors of TensorFlow's own. */
type Held = readonly [tensors: number, bytes: number, device: number, library: number];

function held(): Held {
  const { binding } = tf.backend() as unknown as { binding?: { getNumOfTensors(): number } };
  const { numTensors, numBytes } = tf.memory();
  return [numTensors, numBytes, activeDevice()?.bytesHeld?.() ?? 0, binding?.getNumOfTensors() ?? 0];
}

/** What is held after both steps, on one device in this process. */
async function trained(device: DeviceName): Promise<Held[]> {
  const found: Held[] = [];
  const session = await run({
    model: tinyGpt({ layers: 2 }),
    data: tinySequences(),
    batch: 4,
    optimizer: adamw({ lr: 1e-3 }),
    clip: 1,
    steps: late + 1,
    device,
    transport: memory(),
    run: false,
    quiet: true,
  });
  for await (const { step } of session) if (step === early || step === late) found.push(held());
  await session.close();
  return found;
}

/** A process of its own for each device; what it says where it does not start. */
function inProcess(device: string): Held[] | string {
  try {
    if (device === "webgpu") env.VK_ICD_FILENAMES ??= softwareVulkan().swiftShader;
    const out = execFileSync(execPath, [import.meta.filename, "--here", device], { encoding: "utf8", stdio: "pipe" });
    return JSON.parse(out.trim().split("\n").at(-1)!) as Held[];
  } catch (error) {
    return /device \w+: [^\n]*/.exec((error as Error).message)?.[0] ?? (error as Error).message;
  }
}

const all = ["cpu", "wasm", "tensorflow", "webgpu", "cuda"];

function check(given: readonly string[]): boolean {
  const rows = (given.length ? given : all).map((device) => {
    const found = inProcess(device);
    if (typeof found === "string")
      return { device, why: found.slice(0, 100), ok: !given.length && found.startsWith("device ") };
    const [before, after] = found as [Held, Held];
    const names = ["tensors", "bytes", "on the device", "in its library"];
    const cells = names.map((name, i) => [name, `${before[i]} -> ${after[i]}`] as const);
    return { device, ...Object.fromEntries(cells), ok: after.every((count, i) => count <= before[i]!) };
  });
  console.log(`a GPT after steps ${early} and ${late}`);
  console.table(rows);
  return rows.every(({ ok }) => ok);
}

if (argv[2] === "--here") {
  const found = await trained(argv[3] as DeviceName);
  console.log(JSON.stringify(found));
  exit(0);
}
exit(check(argv.slice(2)) ? 0 : 1);
