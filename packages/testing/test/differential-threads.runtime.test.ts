// Some meshes on worker threads: the same bits as in one thread. All of them: npm run test:differential
import { workersFor } from "../../../tests/runtimes/threads-host.ts";
import { grid, type MeshCase, onThreads, showCase, underSgd } from "../src/index.ts";
import { differentialTests } from "./differential.ts";

const named = [
  "pp 1 dp 2 tp 1 gpipe zero 0",
  "pp 1 dp 3 tp 1 gpipe zero 3",
  "pp 2 dp 2 tp 2 1f1b  zero 3",
  "pp 4 dp 1 tp 2 gpipe zero 0",
];
const some: MeshCase[] = grid.filter((at) => named.includes(showCase(at)));

differentialTests({ ...underSgd(), cases: [...some, ...onThreads(some)], threads: workersFor("sgd") });
