// Two network namespaces as two machines, on Linux as root: between them a pair of virtual interfaces, each with a token bucket that
// sends at a set rate; in each a nats-server, both of one cluster, so that a rank's own machine carries what stays on it.
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env, execPath, getuid, pid } from "node:process";
import { promisify } from "node:util";
import { medianStep } from "../parts/median-step.ts";

const machines = [0, 1] as const;
type Machine = (typeof machines)[number];

const nameOf = (machine: Machine): string => `orthant-${pid}-${machine}`;
const linkOf = (machine: Machine): string => `or${pid}-${machine}`;
const addressOf = (machine: Machine): string => `10.77.0.${machine + 1}`;

const ip = (...args: string[]): string => execFileSync("ip", args, { encoding: "utf8", stdio: "pipe" });
const inside = (machine: Machine): string[] => ["netns", "exec", nameOf(machine)];

/** Says why this machine cannot make network namespaces; undefined where it can. */
export function lacking(): string | undefined {
  if (getuid?.() !== 0) return "network namespaces need root";
  try {
    ip("netns", "list");
    execFileSync("nats-server", ["--version"], { stdio: "pipe" });
    return undefined;
  } catch (cause) {
    return (cause as Error).message;
  }
}

function connect(bytesPerSecond: number): void {
  for (const machine of machines) ip("netns", "add", nameOf(machine));
  const [here, there] = machines;
  ip(
    "link",
    "add",
    linkOf(here),
    "netns",
    nameOf(here),
    "type",
    "veth",
    "peer",
    "name",
    linkOf(there),
    "netns",
    nameOf(there),
  );
  for (const machine of machines) {
    const link = linkOf(machine);
    const bucket = ["rate", `${8 * bytesPerSecond}bit`, "burst", "64kb", "latency", "400ms"];
    ip("-n", nameOf(machine), "link", "set", "lo", "up");
    ip("-n", nameOf(machine), "addr", "add", `${addressOf(machine)}/24`, "dev", link);
    ip("-n", nameOf(machine), "link", "set", link, "up");
    ip(...inside(machine), "tc", "qdisc", "add", "dev", link, "root", "tbf", ...bucket);
  }
}

/** Starts the server of a machine; resolves when it has found the other's. */
async function serve(machine: Machine, folder: string, started: ChildProcess[]): Promise<void> {
  const config = join(folder, `${machine}.conf`);
  const route = `routes: ["nats://${addressOf(0)}:6222"]`;
  const cluster = `cluster { name: machines, listen: "0.0.0.0:6222", ${machine === 0 ? "" : route} }`;
  writeFileSync(config, `listen: "0.0.0.0:4222"\nmax_payload: 8MB\n${cluster}\n`);
  const server = spawn("ip", [...inside(machine), "nats-server", "-c", config], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  started.push(server);
  for await (const line of server.stderr!.setEncoding("utf8")) if (line.includes("Route connection created")) break;
  server.stderr!.resume();
}

/** Bytes that a machine has sent to the other, headers and all. */
function sentBy(machine: Machine): number {
  const [link] = JSON.parse(ip("-n", nameOf(machine), "-j", "-s", "link", "show", linkOf(machine)));
  return link.stats64.tx.bytes;
}

export interface Trained {
  /** Median ms of a step. */
  readonly ms: number;
  /** Bytes a step and way between the machines, those of meeting and ending among them. */
  readonly bytes: number;
}

/** Trains on both machines, two ranks on each. */
async function trained(name: string, machine: number, folder: string): Promise<Trained> {
  const cli = join(import.meta.dirname, "..", "..", "packages", "cli", "bin", "orthant.js");
  const script = join(import.meta.dirname, "train.ts");
  const shared = { ...env, MACHINE: `${machine}`, RUN_NAME: name, ORTHANT_SECRET: randomBytes(32).toString("base64") };
  const before = sentBy(0);
  await Promise.all(
    machines.map((at) => {
      const args = ["--ranks", "4", "--run", name, "--nodes", "2", "--node-rank", `${at}`];
      const command = [execPath, cli, "run", ...args, "--nats", `nats://${addressOf(at)}:4222`, script];
      return promisify(execFile)("ip", [...inside(at), ...command], { cwd: folder, env: shared });
    }),
  );
  return { ms: medianStep(folder, name), bytes: (sentBy(0) - before) / 10 };
}

/** Makes both machines, trains flat and in two levels, and removes them. */
export async function overNamespaces(bytesPerSecond: number): Promise<{ flat: Trained; levels: Trained }> {
  const folder = mkdtempSync(join(tmpdir(), "orthant-bench-"));
  const started: ChildProcess[] = [];
  try {
    connect(bytesPerSecond);
    await Promise.all(machines.map((machine) => serve(machine, folder, started)));
    return { flat: await trained("flat", 0, folder), levels: await trained("levels", 2, folder) };
  } finally {
    for (const server of started) server.kill();
    for (const machine of machines) execFile("ip", ["netns", "del", nameOf(machine)]);
    rmSync(folder, { recursive: true });
  }
}
