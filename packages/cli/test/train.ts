// The script that tests launch: trains the job that its argument describes, then says the losses and where it stands.
import { type Job, losses } from "./job.ts";

const job = JSON.parse(process.argv[2] ?? "{}") as Job & {
  readonly code?: number;
  /** A rank that ends without a call of `train`. */
  readonly absent?: number;
};
console.log(`pid ${process.pid}`);
if (job.absent !== undefined && process.env.ORTHANT_LAUNCH?.includes(`"ranks":[${job.absent}]`)) process.exit();
const said = await losses(job);
console.log(JSON.stringify(said));
if (job.code !== undefined) process.exitCode = job.code;
