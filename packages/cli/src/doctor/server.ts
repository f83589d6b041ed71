// A nats-server seen from here: what it says of itself, and how fast frames go through it between two clients.
import { connect } from "node:net";
import { type NatsEndpoint, openNats } from "@orthant/transport-nats";
import type { Access } from "../run/access.ts";
import type { Row } from "./row.ts";

/** What a server sends first, before anybody shows who he is. */
interface Info {
  readonly version: string;
  readonly max_payload: number;
  readonly jetstream?: boolean;
}

export interface ServerJob extends Access {
  readonly servers: readonly string[];
  readonly run: string;
  /** Whether JetStream is asked for. */
  readonly jetstream: boolean;
}

const mebi = 2 ** 20;

function infoOf(server: string): Promise<Info> {
  const { hostname, port } = new URL(server);
  const { promise, resolve, reject } = Promise.withResolvers<Info>();
  const socket = connect(Number(port || 4222), hostname.replace(/^\[|\]$/g, "")).setEncoding("utf8");
  let text = "";
  socket.setTimeout(5000, () => socket.destroy(new Error(`${server} does not answer within 5 s`)));
  socket.on("data", (more) => {
    text += more;
    const info = /^INFO (\{.*\})\s*\r\n/.exec(text)?.[1];
    if (info) resolve(JSON.parse(info) as Info);
    else if (text.length > mebi || !"INFO {".startsWith(text.slice(0, 6)))
      reject(new Error(`${server} is no nats-server`));
  });
  socket.on("error", (error) => reject(new Error(`no nats-server at ${server}: ${error.message}`)));
  socket.on("close", () => reject(new Error(`${server} is no nats-server`)));
  return promise.finally(() => socket.destroy());
}

function rowsOf({ version, max_payload, jetstream = false }: Info, job: ServerJob): Row[] {
  const small =
    max_payload < mebi &&
    max_payload >= 8192 &&
    `${max_payload} cuts frames into many parts: set max_payload: 1MB on the server`;
  const lacks = job.jetstream && !jetstream;
  const how = "the server has none: start it with --jetstream";
  return [
    { kind: "server", name: "version", found: version },
    {
      kind: "server",
      name: "max_payload",
      found: max_payload < mebi ? `${max_payload} bytes` : `${(max_payload / mebi).toPrecision(3)} MiB`,
      advice: small || undefined,
    },
    {
      kind: "server",
      name: "JetStream",
      found: jetstream ? "yes" : "no",
      advice: lacks ? how : undefined,
      broken: lacks,
    },
  ];
}

const frame = (bytes: number) => ({ dtype: "uint8" as const, shape: [bytes], data: new Uint8Array(bytes) });

/** ms for 1 KiB there and back; the median of 50. */
async function roundTrip([a, b]: readonly [NatsEndpoint, NatsEndpoint]): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 50; i++) {
    const from = performance.now();
    await Promise.all([a.send([1], `ping ${i}`, frame(1024)), b.recv(0, `ping ${i}`)]);
    await Promise.all([b.send([0], `pong ${i}`, frame(1024)), a.recv(1, `pong ${i}`)]);
    times.push(performance.now() - from);
  }
  return times.sort((x, y) => x - y)[25] as number;
}

/** MB/s from one to the other, over a second. */
async function bandwidth([a, b]: readonly [NatsEndpoint, NatsEndpoint]): Promise<number> {
  const from = performance.now();
  let bytes = 0;
  while (performance.now() - from < 1000) {
    const keys = Array.from({ length: 8 }, (_, i) => `bytes ${bytes} ${i}`);
    const sent = keys.map((key) => a.send([1], key, frame(mebi)));
    for (const key of keys) b.recycle?.((await b.recv(0, key)).data);
    await Promise.all(sent);
    bytes += 8 * mebi;
  }
  return bytes / (performance.now() - from) / 1000;
}

async function speeds({ servers, run, jetstream: _, ...access }: ServerJob): Promise<Row[]> {
  const secret = crypto.randomUUID();
  const open = (rank: number) => openNats({ servers, run, rank, size: 2, secret, ...access });
  const clients = await Promise.all([open(0), open(1)]);
  const [ms, rate] = [await roundTrip(clients), await bandwidth(clients)];
  await Promise.all(clients.map((client) => client.close()));
  const far =
    ms > 5 ? "far for tensor parallelism: keep tp within a machine, and dp or pp across this link" : undefined;
  const slow = rate < 100 ? "slow: compare with what orthant plan says a step sends" : undefined;
  return [
    { kind: "server", name: "round trip", found: `${ms.toPrecision(3)} ms for 1 KiB`, advice: far },
    { kind: "server", name: "bandwidth", found: `${rate.toFixed(0)} MB/s from client to client`, advice: slow },
  ];
}

/** Ends with what does not work, where something does not. */
export async function server(job: ServerJob): Promise<Row[]> {
  const rows: Row[] = [{ kind: "server", name: "address", found: job.servers.join(", ") }];
  try {
    rows.push(...rowsOf(await infoOf(job.servers[0] as string), job));
    rows.push(...(await speeds(job)));
  } catch (error) {
    rows.push({ kind: "server", name: "connection", found: "failed", advice: (error as Error).message, broken: true });
  }
  return rows;
}
