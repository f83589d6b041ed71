// What is said of memory that has run out, where a device's library says less.
import { freemem } from "node:os";
import { memory } from "@tensorflow/tfjs";

export const bytesShown = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

const wayOut = "a smaller batch, recompute, or more ranks";

const state = (): string =>
  `${bytesShown(memory().numBytes)} held by tensors, ${bytesShown(freemem())} free in this machine`;

/** One line with the tensor, bytes asked for, held and free, where a message of TensorFlow's or of JavaScript's is about memory. */
export function outOfMemory(message: string): string | undefined {
  const [, shape, type] = /OOM when allocating tensor with shape\[([\d,]*)\] and type (\w+)/.exec(message) ?? [];
  if (shape !== undefined) {
    const elements = shape.split(",").reduce((product, size) => product * Number(size || 1), 1);
    const asked = bytesShown(elements * (type === "bool" ? 1 : 4));
    return `device tensorflow: out of memory: a tensor of [${shape}]: ${asked} asked for, ${state()}: ${wayOut}`;
  }
  const [, length] = /^(?:Array buffer allocation failed|Invalid typed array length: (\d+))/.exec(message) ?? [
    undefined,
    "",
  ];
  if (length === "") return undefined;
  return `out of memory: a vector${length ? ` of ${length} numbers` : ""} of JavaScript: ${state()}: ${wayOut}`;
}
