// A real nats-server for tests: found on the PATH, or installed by apt where this is root; never skipped. So is openssl,
// which makes certificates. Apart from the suites: it needs @orthant/transport-nats.
import { spawnSync } from "node:child_process";
import { NatsServer } from "@orthant/transport-nats";

/** Makes sure that there are both. Call it once before tests that run side by side: apt lets one in at a time. */
export function install(): void {
  const env = { ...process.env, PATH: `${process.env.PATH ?? ""}:/usr/local/sbin:/usr/sbin:/sbin` }; // apt needs them
  const apt = (...args: string[]): boolean => spawnSync("apt-get", args, { env }).status === 0;
  const found = { "nats-server": NatsServer.version(), openssl: spawnSync("openssl", ["version"]).status === 0 };
  const missing = Object.entries(found).flatMap(([name, there]) => (there ? [] : [name]));
  if (missing.length === 0 || process.getuid?.() !== 0) return;
  if (apt("update")) apt("install", "-y", ...missing);
}

export const TestServer = {
  /** Starts one; `config` is in the server's own format. Without a nats-server it says how to get one, and fails. */
  start(config = ""): Promise<NatsServer> {
    install();
    return NatsServer.start({ config });
  },
};

export type TestServer = NatsServer;
