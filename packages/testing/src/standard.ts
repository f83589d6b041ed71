// The two trainings of the differential test. Every suite and every worker thread takes them from here.
import { adamw, sgd } from "@orthant/core";
import type { DifferentialOptions } from "./differential.ts";

type Training = Omit<DifferentialOptions, "cases">;

/** Training after which losses alone are compared: AdamW, 20 steps, clipped at 1. */
export const underAdamw = (): Training => ({ optimizer: adamw({ lr: 3e-3 }), steps: 20, clip: 1 });

/** Training after which losses, the gradients of every step and the parameters are compared: SGD with momentum, 20 steps. */
export const underSgd = (): Training => ({ optimizer: sgd({ lr: 0.03, momentum: 0.9 }), steps: 20, clip: 1 });
