// Kernels by name as graphs of TensorFlow.
import * as attention from "./attention.ts";
import * as gelu from "./gelu.ts";
import * as rows from "./rows.ts";

export type { Formula } from "./pieces.ts";

export const formulas = { ...attention, ...gelu, ...rows } as const;
