// What `orthant run` is asked to do. Pure: words in, a description out, or one line that says what to write instead.
import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { type DeviceName, deviceNames } from "@orthant/core";
import { UsageError } from "../result.ts";

export type Runtime = "node" | "deno" | "bun";

export interface RunArguments {
  readonly script: string;
  /** The script's own. */
  readonly args: readonly string[];
  /** Ranks of the whole run. */
  readonly size: number;
  /** Ranks that start here; those of the first machine where machines are numbered as they come. */
  readonly ranks: readonly number[];
  /** "threads" of one process, an "embedded" nats-server, or the addresses of one's own. */
  readonly transport: "threads" | "embedded" | readonly string[];
  /** Nobody asked for that transport: another will do. */
  readonly byDefault: boolean;
  /** The file of the run's secret. */
  readonly secret: string | undefined;
  readonly encrypt: boolean;
  /** Launchers of the run. */
  readonly nodes: number;
  /** Launchers have no numbers of their own: those that come first start ranks, others take the place of lost ones. */
  readonly asTheyCome: boolean;
  /** The run goes on with fewer launchers, and with more again once they come. */
  readonly elastic: boolean;
  /** Other launchers to wait for before a rank starts. */
  readonly others: number;
  /** Ranks with this name meet. */
  readonly run: string;
  /** How often the run is started again once a rank is lost. */
  readonly restarts: number;
  /** The runtime that runs the launcher where undefined. */
  readonly runtime: Runtime | undefined;
  /** Where the script leaves the device open. */
  readonly device: DeviceName | undefined;
  /** File of the trace of a device's kernels. */
  readonly profile: string | undefined;
}

const options = {
  ranks: { type: "string" },
  threads: { type: "boolean" },
  nats: { type: "string" },
  secret: { type: "string" },
  encrypt: { type: "boolean" },
  run: { type: "string" },
  nodes: { type: "string" },
  "node-rank": { type: "string" },
  runtime: { type: "string" },
  restarts: { type: "string" },
  device: { type: "string" },
  profile: { type: "string" },
  elastic: { type: "boolean" },
} as const satisfies ParseArgsOptionsConfig;

type Name = keyof typeof options;
type Given = Partial<Record<Name, string>>;

const example: Given = {
  ranks: "4",
  nats: "nats://host:4222",
  secret: "run.key",
  run: "first-try",
  nodes: "2",
  "node-rank": "0",
  runtime: "bun",
  restarts: "3",
  device: "cuda",
  profile: "kernels.json",
};

/** Options end at the script: what follows is its own. Throws a UsageError. */
export function runArguments(words: readonly string[]): RunArguments {
  const parsed = parseArgs({ args: [...words], options, strict: false, allowPositionals: true, tokens: true });
  const at = parsed.tokens.find(({ kind }) => kind === "positional")?.index ?? words.length;
  const given: Given = {};
  for (const token of parsed.tokens)
    if (token.kind === "option" && token.index < at) Object.assign(given, asGiven(token.name, token.value));
  const script = words[at];
  if (script === undefined) throw new UsageError("orthant run needs a script, such as: orthant run --ranks 4 train.ts");
  const args = argumentsOf(script, words.slice(at + 1), given);
  const size = count(given, "ranks", 1);
  const transport = transportOf(given);
  const ranks = ranksOf(given, transport, size);
  const key = keyOf(given, transport);
  const asTheyCome = key.nodes > 1 && given["node-rank"] === undefined;
  checkElastic(given, size);
  return {
    script,
    args,
    size,
    ranks,
    transport,
    run: runOf(given),
    runtime: runtimeOf(given),
    device: deviceOf(given),
    profile: given.profile,
    restarts: given.restarts === undefined ? 0 : count(given, "restarts", 0),
    ...key,
    asTheyCome,
    elastic: given.elastic !== undefined,
    others: asTheyCome ? 0 : key.nodes - 1,
  };
}

/** What follows the script is its own. An option of the launcher that is first seen there is meant for it, unless `--` stands before. */
function argumentsOf(script: string, words: readonly string[], given: Given): string[] {
  const end = words.includes("--") ? words.indexOf("--") : words.length;
  const [own, handed] = [words.slice(0, end), words.slice(end + 1)];
  const named = own.filter((word) => word.startsWith("--")).map((word) => word.slice(2).split("=", 1)[0]!);
  const ours = named.find((name) => Object.hasOwn(options, name) && given[name as Name] === undefined);
  if (ours === undefined) return [...own, ...handed];
  const way = `what follows the script is its own. To hand it on: -- --${ours}`;
  throw new UsageError(`--${ours} goes before ${script}: ${way}`);
}

function runOf({ run = `run-${crypto.randomUUID().slice(0, 8)}` }: Given): string {
  if (/^[\w-]{1,64}$/.test(run)) return run;
  throw new UsageError(`--run "${run}": 1 to 64 letters, digits, _ and -`);
}

type Key = Pick<RunArguments, "byDefault" | "secret" | "encrypt" | "nodes">;

function keyOf({ threads, nats, secret, encrypt, nodes = "1" }: Given, transport: RunArguments["transport"]): Key {
  if (transport === "threads" && (secret ?? encrypt) !== undefined)
    throw new UsageError(
      `--threads sends nothing: leave out --threads or --${secret === undefined ? "encrypt" : "secret"}`,
    );
  return {
    byDefault: threads === undefined && nats === undefined,
    secret,
    encrypt: encrypt !== undefined,
    nodes: Number(nodes),
  };
}

function asGiven(name: string, value: string | undefined): Given {
  if (!Object.hasOwn(options, name))
    throw new UsageError(`orthant run has no option --${name}; orthant --help lists what there is`);
  const { type } = options[name as Name];
  if (type === "boolean" && value !== undefined) throw new UsageError(`--${name} takes no value`);
  if (type === "string" && !value)
    throw new UsageError(`--${name} needs a value, such as --${name} ${example[name as Name]}`);
  return { [name]: value ?? "" };
}

function count(given: Given, name: Name, least: number): number {
  const text = given[name];
  if (text === undefined) throw new UsageError(`orthant run needs --${name}, such as --${name} ${example[name]}`);
  if (/^\d{1,6}$/.test(text) && Number(text) >= least) return Number(text);
  throw new UsageError(`--${name} ${text} is no whole number from ${least}`);
}

function transportOf({ threads, nats = "embedded" }: Given): RunArguments["transport"] {
  if (threads === undefined) return nats === "embedded" ? nats : serversOf(nats);
  if (nats === "embedded") return "threads";
  throw new UsageError("--threads keeps all ranks in one process, without NATS: leave out --threads or --nats");
}

/** Addresses with commas between. The word is not repeated where it may hold a password. */
export function serversOf(text: string): string[] {
  return text.split(",").map((server) => {
    const protocol = URL.canParse(server) ? new URL(server).protocol : "";
    if (["nats:", "tls:"].includes(protocol)) return server;
    const shown = server.includes("@") ? "" : ` "${server}"`;
    throw new UsageError(`--nats${shown} is no address of a server: write nats://host:4222, or embedded`);
  });
}

/** The block of ranks of this node: sizes differ by one at most. */
function ranksOf(given: Given, transport: RunArguments["transport"], size: number): number[] {
  const nodes = given.nodes === undefined ? 1 : count(given, "nodes", 1);
  if (nodes > 1) checkNodes(given, transport, size, nodes);
  const node = nodes > 1 && given["node-rank"] !== undefined ? count(given, "node-rank", 0) : 0;
  if (nodes === 1 && Number(given["node-rank"] ?? 0) !== 0)
    throw new UsageError(`--node-rank ${given["node-rank"]} needs --nodes, the number of machines`);
  if (node >= nodes) throw new UsageError(`--node-rank ${node} of --nodes ${nodes}: give 0 to ${nodes - 1}`);
  return blockOf(size, nodes, node);
}

/** The block of ranks of machine `place` of `machines`. */
export function blockOf(size: number, machines: number, place: number): number[] {
  const [from, to] = [Math.floor((place * size) / machines), Math.floor(((place + 1) * size) / machines)];
  return Array.from({ length: to - from }, (_, i) => from + i);
}

function checkElastic({ elastic, restarts, nodes = "1", ...given }: Given, size: number): void {
  if (elastic === undefined) return;
  if (Number(nodes) < 2) throw new UsageError("--elastic needs --nodes, the most machines that the run may have");
  if (given["node-rank"] !== undefined)
    throw new UsageError("--elastic numbers machines as they come: leave out --node-rank");
  if (Number(restarts ?? 0) < 1) throw new UsageError("--elastic starts the run again: give --restarts N");
  if (size % Number(nodes))
    throw new UsageError(`--elastic: --ranks ${size} on --nodes ${nodes} are not as many on each: give a multiple`);
}

function checkNodes(given: Given, transport: RunArguments["transport"], size: number, nodes: number): void {
  if (typeof transport === "string") throw new UsageError(`--nodes ${nodes} needs a server that all reach: --nats URL`);
  if (given.run === undefined) throw new UsageError(`--nodes ${nodes} needs one name on every node: --run NAME`);
  if (size < nodes) throw new UsageError(`--ranks ${size} leaves some of --nodes ${nodes} without a rank`);
}

function runtimeOf({ runtime }: Given): Runtime | undefined {
  if (runtime === undefined || runtime === "node" || runtime === "deno" || runtime === "bun") return runtime;
  throw new UsageError(`--runtime ${runtime} is none of node, deno and bun`);
}

function deviceOf({ device }: Given): DeviceName | undefined {
  if (device === undefined || deviceNames.includes(device as DeviceName)) return device as DeviceName | undefined;
  throw new UsageError(`--device ${device} is none of ${deviceNames.join(", ")}`);
}
