// A real nats-server for tests: found on the PATH, or installed by apt where this is root; never skipped. Ends only what
// it started.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

const advice = "no nats-server on the PATH: apt-get install nats-server, or a binary from nats.io/download";

/** Debian keeps servers, and what installs them, where an ordinary PATH does not look. */
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin` };

/** Makes sure that there is a nats-server. Call it once before tests that run side by side: apt lets one in at a time. */
export function install(): void {
  const runs = (command: string, ...args: string[]): boolean => spawnSync(command, args, { env }).status === 0;
  if (runs("nats-server", "--version")) return;
  if (process.getuid?.() === 0 && runs("apt-get", "update")) runs("apt-get", "install", "-y", "nats-server");
  if (!runs("nats-server", "--version")) throw new Error(advice);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });

export class TestServer {
  readonly port: number;
  readonly #config: string;
  readonly #folder: string;
  #process: ChildProcess | undefined;

  private constructor(port: number, config: string) {
    this.port = port;
    this.#config = config;
    this.#folder = mkdtempSync(join(tmpdir(), "orthant-nats-"));
  }

  /** `config` in the server's own format. */
  static async start(config = ""): Promise<TestServer> {
    install();
    const server = new TestServer(await freePort(), config);
    await server.up();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  async up(): Promise<void> {
    const file = join(this.#folder, "server.conf");
    writeFileSync(file, `host: 127.0.0.1\nport: ${this.port}\n${this.#config}\n`);
    const child = spawn("nats-server", ["-c", file], { stdio: "ignore", env });
    this.#process = child;
    process.once("exit", () => child.kill("SIGKILL"));
    for (let i = 0; i < 100 && !(await answers(this.port)); i++) await setTimeout(50);
  }

  /** Ends the server's process at once, as a crash would. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true });
  }
}
