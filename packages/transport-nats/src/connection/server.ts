// A nats-server of one's own: the one on the PATH, started on a free port of this machine and ended again. Nobody else's
// server is touched, and nothing is installed.
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

export interface ServerOptions {
  /** More of the server's configuration, in its own format; the port is not for it to set. */
  readonly config?: string;
  /** Port to listen on; a free one by default, chosen by the server itself. */
  readonly port?: number;
  /** More of its arguments. */
  readonly args?: readonly string[];
}

/** ms that a server may take to answer. */
const patience = 10_000;

const missing = "no nats-server on the PATH: apt-get install nats-server, or a binary from nats.io/download";

/** Cores that a server of one's own runs on at once: it shares them with the ranks, whose waking it would only contend for. */
const serverCores = Math.max(1, Math.floor(availableParallelism() / 4));

/**
 * This process's environment, with the folders where Debian keeps servers and an ordinary PATH does not look. Where it does not
 * set GOMAXPROCS, a server runs on a quarter of the machine's cores: it took half the CPU time of one that took them all.
 */
export const serverEnv = (): NodeJS.ProcessEnv => ({
  GOMAXPROCS: `${serverCores}`,
  ...process.env,
  PATH: `${process.env.PATH ?? ""}:/usr/local/sbin:/usr/sbin:/sbin`,
});

/** Runs a server that ends when this process does, however that ends: a pipe between them closes, and the shell hears it. */
const tied = 'exec 3<&0; nats-server "$@" & server=$!; { read -r _ <&3; kill -9 $server 2>/dev/null; } & wait $server';

const ended = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null;

export class NatsServer {
  readonly #options: ServerOptions;
  #port: number;
  #pid: number | undefined;
  /** The shell between. */
  #process: ChildProcess | undefined;

  private constructor(options: ServerOptions) {
    this.#options = options;
    this.#port = options.port ?? -1;
  }

  /** Starts one; resolves when it answers. It listens to this machine only, and ends with this process, even where that is killed. */
  static async start(options: ServerOptions = {}): Promise<NatsServer> {
    const server = new NatsServer(options);
    await server.up();
    return server;
  }

  /** Tells the version of the nats-server on the PATH, such as "2.9.10"; undefined where there is none. */
  static version(): string | undefined {
    const { stdout } = spawnSync("nats-server", ["--version"], { env: serverEnv(), encoding: "utf8" });
    return /v([\d.]+\S*)/.exec(stdout ?? "")?.[1];
  }

  /** The port it listens on. */
  get port(): number {
    return this.#port;
  }

  /** The address for clients. */
  get url(): string {
    return `nats://127.0.0.1:${this.#port}`;
  }

  /** Process id of the server; undefined while there is none. */
  get pid(): number | undefined {
    return this.#process && !ended(this.#process) ? this.#pid : undefined;
  }

  /** Starts it again after `kill`, on the same port. */
  async up(): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), "orthant-nats-"));
    try {
      this.#process = this.#spawn(folder);
      const { pid, port } = await answer(this.#process, folder);
      this.#pid = pid;
      this.#port = port;
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  /** Ends its process at once, as a crash would. */
  async kill(): Promise<void> {
    const { pid } = this;
    if (pid === undefined || !this.#process) return;
    const exit = once(this.#process, "exit");
    this.#process.ref();
    process.kill(pid, "SIGKILL");
    await exit;
    this.#process.stdin?.destroy();
  }

  /** Ends it. */
  stop(): Promise<void> {
    return this.kill();
  }

  /** Starts it in a process group of its own: the terminal's Ctrl-C is not for the server. */
  #spawn(folder: string): ChildProcess {
    const { config = "", args = [] } = this.#options;
    const file = join(folder, "server.conf");
    writeFileSync(file, config, { mode: 0o600 });
    const log = openSync(join(folder, "log"), "w");
    const where = ["-c", file, "-a", "127.0.0.1", "-p", String(this.#port), "--ports_file_dir", folder];
    const options: SpawnOptions = { detached: true, stdio: ["pipe", log, log], env: serverEnv() };
    const child = spawn("/bin/sh", ["-c", tied, "nats-server", ...where, ...args], options);
    closeSync(log);
    child.unref();
    return child;
  }
}

/** Waits for a starting server: it writes down its port when it is ready. */
async function answer(child: ChildProcess, folder: string): Promise<{ pid: number; port: number }> {
  for (const from = performance.now(); performance.now() - from < patience && !ended(child); await setTimeout(10)) {
    const file = readdirSync(folder).find((name) => name.endsWith(".ports")) ?? "";
    const port = /"nats":\["\w+:\/\/[^"]*:(\d+)"/.exec(read(join(folder, file)))?.[1];
    if (port) return { pid: Number(/\d+/.exec(file)?.[0]), port: Number(port) };
  }
  child.stdin?.destroy();
  if (child.exitCode === 127) throw new Error(missing);
  const how = ended(child) ? `ended with code ${child.exitCode}` : `does not answer after ${patience / 1000} s`;
  throw new Error(`nats-server ${how}: ${lastLine(folder)}`);
}

/** What is in a file; nothing where there is none yet. */
function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

const lastLine = (folder: string): string => read(join(folder, "log")).trimEnd().split("\n").at(-1) ?? "";
