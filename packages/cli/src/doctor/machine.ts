// What this machine runs: JavaScript runtimes, devices, a nats-server. Each is tried in a process of its own.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { deviceNames } from "@orthant/core";
import { NatsServer } from "@orthant/transport-nats";
import type { Row } from "./row.ts";

/** The oldest that run Orthant: Node strips types since 22.18. */
const oldest = { node: [22, 18], deno: [2, 0], bun: [1, 0] } as const;

type Name = keyof typeof oldest;

/** ms that a device may take to start and multiply. */
const patience = 60_000;

const versionOf = (name: Name): string | undefined =>
  /\d+\.\d+\.\d+/.exec(spawnSync(name, ["--version"], { encoding: "utf8" }).stdout ?? "")?.[0];

function runtime(name: Name): Row {
  const version = versionOf(name);
  const row = { kind: "runtime", name };
  if (!version) return { ...row, found: "not on the PATH", advice: `install it to use --runtime ${name}` };
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [least, leastMinor] = oldest[name];
  const old = major < least || (major === least && minor < leastMinor);
  return { ...row, found: version, advice: old ? `${version} is too old: ${least}.${leastMinor} or newer` : undefined };
}

export const runtimes = (): Row[] => (["node", "deno", "bun"] as const).map(runtime);

/** Deno has WebGPU of its own; other runtimes only where something gives them `navigator.gpu`. */
const commandOf = (device: string): string[] =>
  device === "webgpu" && versionOf("deno") ? ["deno", "run", "-A"] : [process.execPath, ...ownFlags()];

const ownFlags = (): string[] => (process.versions.deno ? ["run", "-A"] : []);

/** GFLOP/s of a matrix product. `needed`: training starts on it by default. */
function device(name: string, needed: boolean): Row {
  const [command = "", ...flags] = commandOf(name);
  const trial = fileURLToPath(new URL("./trial.ts", import.meta.url));
  const { stdout, stderr } = spawnSync(command, [...flags, trial, name], { encoding: "utf8", timeout: patience });
  const speed = /^gflops (\S+)$/m.exec(stdout ?? "")?.[1];
  const row = { kind: "device", name };
  if (speed) return { ...row, found: `${Number(speed).toPrecision(3)} GFLOP/s` };
  const why = /^failed (.*)$/m.exec(stdout ?? "")?.[1] ?? stderr?.trim().split("\n").at(-1);
  return { ...row, found: "does not start", advice: why || `no answer within ${patience / 1000} s`, broken: needed };
}

export const devices = (): Row[] =>
  deviceNames.filter((name) => name !== "auto").map((name) => device(name, name === "wasm" || name === "cpu"));

/** `needed`: one is to be started. */
export function serverProgram(needed: boolean): Row {
  const version = NatsServer.version();
  const row = { kind: "program", name: "nats-server" };
  if (version) return { ...row, found: version };
  const without = needed ? "--threads needs none" : "without one, orthant run puts the ranks in threads of one process";
  const advice = `apt-get install nats-server, or a binary from nats.io/download; ${without}`;
  return { ...row, found: "not on the PATH", advice, broken: needed };
}
