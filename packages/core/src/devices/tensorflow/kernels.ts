// Kernels by name in TensorFlow's own operations, where one of those does what several of tfjs's do.
import type { KernelConfig } from "@tensorflow/tfjs";

export const kernels: readonly KernelConfig[] = [];
