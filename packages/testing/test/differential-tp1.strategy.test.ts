// All meshes with tp 1 against one device: losses, gradients of every step and parameters, under SGD with momentum.
import { extras, grid, underSgd } from "../src/index.ts";
import { differentialTests } from "./differential.ts";

differentialTests({ ...underSgd(), cases: [...grid, ...extras].filter(({ tp }) => tp === 1) });
