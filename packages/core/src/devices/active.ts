// Which device runs on this thread, and what it can do. Starting one is index.ts.
import * as tf from "@tensorflow/tfjs";
import type { Active } from "./device.ts";

/** Where a backend carries what its device can do: tfjs has one backend a thread, and this is its state, not ours. */
const mark = Symbol.for("orthant.device");

type Marked = tf.KernelBackend & { [mark]?: Active };

/** Tells what the device that `useDevice` started on this thread can do; undefined where tfjs runs on none of those. */
export const activeDevice = (): Active | undefined => (tf.getBackend() ? (tf.backend() as Marked)[mark] : undefined); // `tf.backend()` would start tfjs's own choice

/** Says that a device runs on this thread: it is that of tfjs's backend from now on. */
export function markActive(active: Active): void {
  (tf.backend() as Marked)[mark] = active;
}
