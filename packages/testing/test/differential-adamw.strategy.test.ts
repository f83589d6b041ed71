// Every pair of settings against one device: losses, under AdamW. All meshes: npm run test:differential
import { grid, pairwise, underAdamw } from "../src/index.ts";
import { differentialTests } from "./differential.ts";

differentialTests({ ...underAdamw(), cases: pairwise(grid) });
