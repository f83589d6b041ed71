// The script that tests launch: trains the job that its argument describes, then says the losses and where it stands.
import { type Job, losses } from "./job.ts";

const job = JSON.parse(process.argv[2] ?? "{}") as Job & { readonly code?: number };
console.log(`pid ${process.pid}`);
const said = await losses(job);
console.log(JSON.stringify(said));
process.exitCode = job.code ?? 0;
