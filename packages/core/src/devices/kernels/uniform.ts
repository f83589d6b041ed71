// Uniform numbers by counter: a device that draws them itself gives the bits of the host, so that a mask is the same wherever it is drawn.
import * as tf from "@tensorflow/tfjs";
import { type Counted, drawn } from "../../params/draw.ts";
import { type Kernel, kernel } from "./kernel.ts";

/**
 * Uniform numbers in [0, 1) for the counters of a tensor's elements (Philox 4x32-10; Salmon et al.: Parallel random numbers: as easy as
 * 1, 2, 3; SC 2011): word `c % 4` of call `floor(c / 4)`, its high 24 bits over 2^24.
 */
export const uniform: Kernel<object, tf.Tensor, Counted> = kernel("orthant.uniform", (_, at) =>
  tf.tensor(drawn(at), at.shape as number[], "float32"),
);
