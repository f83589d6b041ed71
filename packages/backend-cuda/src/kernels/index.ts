// Every kernel of the backend, tfjs's by their names and `orthant.*`.
import type { KernelConfig } from "@tensorflow/tfjs";
import { arithmetic } from "./arithmetic.ts";
import { named } from "./named.ts";
import { products } from "./products.ts";
import { reductions } from "./reductions.ts";
import { rows } from "./rows.ts";
import { shapes } from "./shapes.ts";
import { softmax } from "./softmax.ts";
import { toConfigs } from "./table.ts";

export const kernels = (): KernelConfig[] =>
  [arithmetic, shapes, reductions, softmax, products, rows, named].flatMap(toConfigs);
