// The transports against what they are built on: threads against a plain copy of memory, NATS against plain publish and
// subscribe through the same server. Ends with 1 where a target is missed. Usage: npm run bench -- transport [--quick]
// (--quick: tensors of 1 KiB and 16 MiB only).
import { argv, exit } from "node:process";
import { natsTargets } from "./transport/nats.ts";
import { threadsTarget } from "./transport/threads.ts";

const [KiB, MiB] = [2 ** 10, 2 ** 20];
const quick = argv.includes("--quick");

const threads = await threadsTarget();
console.log();
const nats = await natsTargets({
  processes: [2, 4],
  sizes: quick ? [KiB, 16 * MiB] : [KiB, 64 * KiB, MiB, 16 * MiB, 64 * MiB, 256 * MiB],
});
exit(threads && nats ? 0 : 1);
