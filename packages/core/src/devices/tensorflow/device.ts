// The tensorflow device: tfjs's backend over TensorFlow's C library, from one of the optional packages @tensorflow/tfjs-node-gpu and
// @tensorflow/tfjs-node, loaded when asked for. It computes in one thread of a process.
import { createRequire } from "node:module";
import { env, versions } from "node:process";
import util from "node:util";
import { isMainThread } from "node:worker_threads";
import * as tf from "@tensorflow/tfjs";
import type { Active, Device } from "../device.ts";
import { oneThread } from "../one-thread.ts";
import { kernelsOf } from "./kernels.ts";
import type { NodeBackend } from "./session.ts";
import { shareViews } from "./views.ts";

const packages = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"] as const;

const wayOut = "docs/tensorflow.md says how to build it where a download is refused; the device wasm needs nothing";
const missing =
  "device tensorflow: neither @tensorflow/tfjs-node-gpu nor @tensorflow/tfjs-node is installed. npm install " +
  "@tensorflow/tfjs-node, or for NVIDIA cards @tensorflow/tfjs-node-gpu, which needs CUDA 11.2 and cuDNN 8.1; ";

/** tfjs-node 4.22 calls a function that Node has no longer since 23. */
function mendUtil(): void {
  const old = util as { isNullOrUndefined?: (x: unknown) => boolean };
  old.isNullOrUndefined ??= (x) => x === null || x === undefined;
}

const isMissing = (error: unknown, name: string): boolean =>
  (error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND" && (error as Error).message.includes(`'${name}'`);

/**
 * Loads the first of the packages that is there, seen from the file that `require` is for; it registers tfjs's backend "tensorflow".
 * Returns its name. Throws in one line where none is installed, one is half installed, or brings another tfjs.
 */
export function loadPackage(require = createRequire(import.meta.url)): string {
  for (const name of packages) {
    try {
      require(name);
    } catch (error) {
      if (isMissing(error, name)) continue;
      throw new Error(halfInstalled(name, error as Error));
    }
    if (tf.findBackendFactory("tensorflow")) return name;
    throw new Error(
      `device tensorflow: ${name} brings a tfjs of its own, as another version does: install ${name}@${tf.version.tfjs}`,
    );
  }
  throw new Error(missing + wayOut);
}

function halfInstalled(name: string, { message }: Error): string {
  const [first] = message.split("\n");
  return `device tensorflow: ${name} is installed and does not load (${first?.trim()}). npm rebuild ${name} downloads its addon; ${wayOut}`;
}

function checkThread(): void {
  if (!isMainThread) throw new Error(oneThread("tensorflow"));
}

/** One line on what computes. */
const describe = ({ binding, isUsingGpuDevice }: NodeBackend, name: string): string =>
  `TensorFlow ${binding.TF_Version} (${name}) on ${isUsingGpuDevice ? "a GPU" : "the CPU"}`;

async function start(): Promise<Active> {
  checkThread();
  if (versions.bun) throw new Error(`device tensorflow: Bun cannot load its addon; run under Node, or choose wasm`);
  mendUtil();
  env.TF_CPP_MIN_LOG_LEVEL ??= "2";
  env.TF_NUM_INTEROP_THREADS ??= "1"; // an operation has all cores: two at once take them from each other
  const was = tf.getBackend();
  const name = loadPackage();
  const backend = tf.findBackend("tensorflow") as NodeBackend;
  if (was && was !== "tensorflow") tf.setBackend(was); // the package makes its own the thread's
  return {
    backend: "tensorflow",
    views: true,
    kernels: shareViews(backend) ? kernelsOf(backend) : [], // tfjs has them from the first start
    detail: describe(backend, name),
    gpu: backend.isUsingGpuDevice,
  };
}

export const tensorflow: Device = { name: "tensorflow", threads: 1, start };
