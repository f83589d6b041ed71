// `orthant doctor`: what this machine and its server can do, in a table, with a line of advice where something is off.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { NatsServer } from "@orthant/transport-nats";
import { type Result, UsageError } from "../result.ts";
import { accessOf, onlyToken, withoutSecrets } from "../run/access.ts";
import { serversOf } from "../run/arguments.ts";
import { devices, runtimes, serverProgram } from "./machine.ts";
import { type Row, showAdvice, showRow } from "./row.ts";
import { server } from "./server.ts";

interface Asked {
  readonly nats: string | undefined;
  readonly run: string;
  readonly jetstream: boolean;
}

function asked(words: readonly string[]): Asked {
  const options = { nats: { type: "string" }, run: { type: "string" }, jetstream: { type: "boolean" } } as const;
  try {
    const { values } = parseArgs({ args: [...words], options });
    const {
      nats = process.env.NATS_URL,
      run = `doctor-${crypto.randomUUID().slice(0, 8)}`,
      jetstream = false,
    } = values;
    return { nats, run, jetstream };
  } catch {
    throw new UsageError("orthant doctor takes --nats URL (or embedded), --run NAME and --jetstream, nothing else");
  }
}

async function serverRows({ nats, ...rest }: Asked): Promise<Row[]> {
  if (nats === undefined) return [];
  if (nats !== "embedded") {
    const { servers, env } = withoutSecrets(serversOf(nats), process.env);
    return server({ ...rest, servers, ...accessOf(env) });
  }
  return NatsServer.version() ? ownRows(rest) : [];
}

/** Looks at a server that is started for this, and leaves nothing. */
async function ownRows({ run, jetstream }: Omit<Asked, "nats">): Promise<Row[]> {
  const token = crypto.randomUUID();
  const folder = mkdtempSync(join(tmpdir(), "orthant-doctor-"));
  const store = jetstream ? `jetstream { store_dir: "${folder}" }` : "";
  const own = await NatsServer.start({ config: `authorization { token: "${token}" }\n${store}` });
  try {
    return await server({ run, jetstream, servers: [own.url], ...accessOf(onlyToken({}, token)) });
  } finally {
    await own.stop();
    rmSync(folder, { recursive: true });
  }
}

/** The code is 1 where something that was asked for, or that training starts on by default, does not work. */
export async function doctor(words: readonly string[]): Promise<Result> {
  const job = asked(words);
  const rows: Row[] = [];
  const checks = [runtimes, devices, () => [serverProgram(job.nats === "embedded")], () => serverRows(job)];
  for (const check of checks) {
    const found = await check();
    for (const row of found) console.log(showRow(row)); // as they are known: a device may take long
    rows.push(...found);
  }
  const advice = showAdvice(rows);
  if (advice) console.log(`\n${advice}`);
  return { code: rows.some(({ broken }) => broken) ? 1 : 0, text: "" };
}
