// What a process of `orthant run` runs: sets up what carries this process's frames, then runs the user's script as if it had
// been started by itself. With threads every worker runs this file again.
import { writeSync } from "node:fs";
import * as modules from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { isMainThread } from "node:worker_threads";
import { meshSize, type Transport, threads } from "@orthant/core";
import { saysAll } from "@orthant/core/internal";
import { nats } from "@orthant/transport-nats";
import { accessOf } from "./run/access.ts";
import { type LaunchTicket, readTicket } from "./run/ticket.ts";

/** `train` looks here first, whatever the script says. Any copy of the library finds the same one. */
const TRANSPORT = Symbol.for("orthant.transport");
/** The module that worker threads run, in place of the program's main one. */
const ENTRY = Symbol.for("orthant.entry");
/** How often the launcher started the run before, for `train` to go on from the latest checkpoint. */
const ATTEMPT = Symbol.for("orthant.attempt");
/** How many ranks there are now, for `train` to make its mesh fit; nothing where the mesh is as it is. */
const RANKS = Symbol.for("orthant.ranks");
/** ms between two looks at whether the launcher lives. */
const look = 500;

function transportOf({ servers, size, run, launch, ranks, encrypt }: LaunchTicket): Transport {
  if (servers.length === 0) return threads({ workers: size });
  return nats({ servers, run, launch, ranks, ...accessOf(process.env), ...(encrypt && { encrypt }) });
}

/** Refuses a mesh of another size than the launcher's; a script that ends without a training has failed. */
function checked(transport: Transport, { size }: LaunchTicket): Transport {
  let calls = 0;
  process.on("exit", (code) => {
    if (calls > 0 || code !== 0) return;
    writeSync(2, "the script ended without a call of train()\n");
    process.exitCode = 1;
  });
  return {
    ...transport,
    async open(job) {
      calls++;
      modules.flushCompileCache?.(); // all is loaded now, and a process that is killed writes none
      const ranks = meshSize(job.mesh);
      const axes = Object.entries(job.mesh).map(([axis, length]) => `${axis}: ${length}`);
      if (ranks === size) return transport.open(job);
      throw new Error(
        `the mesh { ${axes.join(", ")} } has ${ranks} ranks, orthant run started ${size}: --ranks ${ranks}`,
      );
    },
  };
}

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
  const inside = saysAll(root) ? at : -1;
  const text = saysAll(error) ? error.message : String(error);
  return [text, ...(inside < 0 ? frames : frames.slice(0, inside))].join("\n");
}

async function runMain(ticket: LaunchTicket, script: string): Promise<void> {
  const { columns, parent } = ticket;
  Object.assign(globalThis, {
    [TRANSPORT]: checked(transportOf(ticket), ticket),
    [ATTEMPT]: ticket.attempt,
    [ENTRY]: new URL(import.meta.url),
    [RANKS]: ticket.elastic ? ticket.size : undefined,
    [Symbol.for("orthant.columns")]: columns,
  });
  endWith(parent);
  await import(script).catch((error: unknown) => {
    process.stderr.write(`${show(error)}\n`, () => process.exit(1));
  });
}

/** Shows warnings without the process id that Node puts before them: those of several ranks are then one line. */
function showWarnings(): void {
  if ("bun" in process.versions || "deno" in process.versions) return;
  process.removeAllListeners("warning");
  process.on("warning", ({ name, message }) => process.stderr.write(`${name}: ${message}\n`));
}

const ticket = readTicket(process.env);
process.argv = [process.argv[0] as string, ticket.script, ...ticket.args];
const script = pathToFileURL(ticket.script).href;
// Not awaited in a process of its own: a script that waits for ever would end with the runtime's error about this file.
if (isMainThread) showWarnings();
if (isMainThread) void runMain(ticket, script);
else {
  Object.assign(globalThis, { [TRANSPORT]: transportOf(ticket), [ATTEMPT]: ticket.attempt });
  await import(script);
}
