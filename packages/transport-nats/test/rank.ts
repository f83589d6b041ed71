// A rank in a process of its own, for tests that kill it: joins the run it is told, says so, then only stays, or ends soon
// as if its work were done.
import { openNats } from "../src/index.ts";

const [servers = "", run = "", rank = "1", size = "2", then = "stay"] = process.argv.slice(2);
const transport = await openNats({ servers, run, rank: Number(rank), size: Number(size), heartbeat: 100 });
await transport.send([0], "dp.all-gather step 1", { dtype: "uint8", shape: [3], data: new Uint8Array([1, 2, 3]) });
console.log("joined");
if (then === "leave") setTimeout(() => process.exit(0), 500);
await transport.recv(0, "never");
