// A nats-server of one's own: the one on the PATH, started on a free port of this machine and ended again. Nobody else's
// server is touched, and nothing is installed.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

export interface ServerOptions {
  /** More of the server's configuration, in its own format; the port is not for it to set. */
  readonly config?: string;
  /** A free one by default, chosen by the server itself. */
  readonly port?: number;
  /** More of its arguments. */
  readonly args?: readonly string[];
}

/** ms that a server may take to answer. */
const patience = 10_000;

const missing = "no nats-server on the PATH: apt-get install nats-server, or a binary from nats.io/download";

/** This process's environment, with the folders where Debian keeps servers and an ordinary PATH does not look. */
export const serverEnv = (): NodeJS.ProcessEnv => ({
  ...process.env,
  PATH: `${process.env.PATH ?? ""}:/usr/local/sbin:/usr/sbin:/sbin`,
});

const ended = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null;

export class NatsServer {
  readonly #options: ServerOptions;
  #port: number;
  #process: ChildProcess | undefined;
  /** Ends the server with this process. */
  readonly #atExit = (): void => void this.#process?.kill("SIGKILL");

  private constructor(options: ServerOptions) {
    this.#options = options;
    this.#port = options.port ?? -1;
  }

  /** Resolves when it answers. It listens to this machine only, and ends with this process unless that is killed. */
  static async start(options: ServerOptions = {}): Promise<NatsServer> {
    const server = new NatsServer(options);
    process.once("exit", server.#atExit);
    await server.up();
    return server;
  }

  /** Of the nats-server on the PATH, such as "2.9.10"; undefined where there is none. */
  static version(): string | undefined {
    const { stdout } = spawnSync("nats-server", ["--version"], { env: serverEnv(), encoding: "utf8" });
    return /v([\d.]+\S*)/.exec(stdout ?? "")?.[1];
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.#port}`;
  }

  /** Of the server's process; undefined while there is none. */
  get pid(): number | undefined {
    return this.#process && !ended(this.#process) ? this.#process.pid : undefined;
  }

  /** Starts it again after `kill`, on the same port. */
  async up(): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), "orthant-nats-"));
    try {
      this.#process = this.#spawn(folder);
      this.#port = await portOf(this.#process, folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  /** Ends its process at once, as a crash would. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (!child || ended(child)) return;
    const exit = once(child, "exit");
    child.ref();
    child.kill("SIGKILL");
    await exit;
  }

  async stop(): Promise<void> {
    process.off("exit", this.#atExit);
    await this.kill();
  }

  /** In a process group of its own: the terminal's Ctrl-C is not for the server. */
  #spawn(folder: string): ChildProcess {
    const { config = "", args = [] } = this.#options;
    const file = join(folder, "server.conf");
    writeFileSync(file, config, { mode: 0o600 });
    const log = openSync(join(folder, "log"), "w");
    const where = ["-a", "127.0.0.1", "-p", String(this.#port), "--ports_file_dir", folder];
    const stdio = ["ignore", log, log] as const;
    const child = spawn("nats-server", ["-c", file, ...where, ...args], {
      detached: true,
      stdio: [...stdio],
      env: serverEnv(),
    });
    closeSync(log);
    child.unref();
    return child;
  }
}

/** The port that a starting server listens on; it writes that down when it is ready. */
async function portOf(child: ChildProcess, folder: string): Promise<number> {
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  child.once("error", () => failed.reject(new Error(missing)));
  child.once("exit", (code) => failed.reject(new Error(`nats-server ended with code ${code}: ${lastLine(folder)}`)));
  for (const from = performance.now(); performance.now() - from < patience; ) {
    const ports = read(join(folder, `nats-server_${child.pid}.ports`));
    const port = /"nats":\["\w+:\/\/[^"]*:(\d+)"/.exec(ports)?.[1];
    if (port) return Number(port);
    await Promise.race([setTimeout(10), failed.promise]);
  }
  child.kill("SIGKILL");
  throw new Error(`nats-server does not answer after ${patience / 1000} s: ${lastLine(folder)}`);
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
