// What a process of `orthant run` runs: sets up where this process's ranks live, then runs the user's script as if it had
// been started by itself. With threads every worker runs this file again.
import { fileURLToPath, pathToFileURL } from "node:url";
import { isMainThread } from "node:worker_threads";
import { type Host, threads } from "@orthant/core";
import { nats } from "@orthant/transport-nats";
import { accessOf } from "./run/access.ts";
import { type LaunchTicket, readTicket } from "./run/ticket.ts";

/** ms between two looks at whether the launcher lives. */
const look = 500;

function hostOf({ servers, size, run, launch, ranks }: LaunchTicket): Host {
  if (servers.length === 0) return threads({ workers: size, script: new URL(import.meta.url) });
  return nats({ servers, run, launch, ranks, ...accessOf(process.env) });
}

/** Refuses a mesh of another size than the launcher's. */
const checked = (host: Host, size: number): Host => ({
  ...host,
  async run(job) {
    const { mesh, ranks } = job.plan;
    const axes = Object.entries(mesh).map(([axis, length]) => `${axis}: ${length}`);
    const is = `the mesh { ${axes.join(", ")} } has ${ranks.length} ranks`;
    if (ranks.length === size) return host.run(job);
    throw new Error(`${is}, orthant run started ${size}: --ranks ${ranks.length}`);
  },
});

/** Ends this process once the launcher is gone without a word. */
function endWith(parent: number): void {
  const check = (): void => {
    if (process.ppid !== parent) process.kill(process.pid, "SIGKILL");
  };
  setInterval(check, look).unref();
}

/** What the library refuses says all in its message. Anything else also says where it happened, up to the library's call. */
function show(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  let root = error;
  while (root.cause instanceof Error) root = root.cause;
  const frames = root.stack?.split("\n").filter((line) => /^\s+at (?!.*node:)/.test(line)) ?? [];
  const modules = ["@orthant/core", "@orthant/transport-nats"].map((name) => import.meta.resolve(name));
  const library = [...modules, import.meta.url].map((url) => fileURLToPath(new URL(".", url)));
  const at = frames.findIndex((frame) => library.some((path) => frame.includes(path)));
  const inside = root.name === "Error" ? at : -1;
  const text = error.name === "Error" ? error.message : String(error);
  return [text, ...(inside < 0 ? frames : frames.slice(0, inside))].join("\n");
}

async function runMain(ticket: LaunchTicket, script: string): Promise<void> {
  const { size, columns, parent } = ticket;
  const [forHost, forColumns] = [Symbol.for("orthant.host"), Symbol.for("orthant.columns")];
  Object.assign(globalThis, { [forHost]: checked(hostOf(ticket), size), [forColumns]: columns });
  endWith(parent);
  await import(script).catch((error: unknown) => {
    process.stderr.write(`${show(error)}\n`, () => process.exit(1));
  });
}

const ticket = readTicket(process.env);
process.argv = [process.argv[0] as string, ticket.script, ...ticket.args];
const script = pathToFileURL(ticket.script).href;
// Not awaited in a process of its own: a script that waits for ever would end with the runtime's error about this file.
if (isMainThread) void runMain(ticket, script);
else {
  Object.assign(globalThis, { [Symbol.for("orthant.host")]: hostOf(ticket) });
  await import(script);
}
