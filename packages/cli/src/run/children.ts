// The processes that the launcher starts: how each is called, in words and by signals, and how it ended.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Runtime } from "./arguments.ts";

export interface Ending {
  readonly ranks: readonly number[];
  /** As a shell has it: 128 and the signal's number where one ended the process. */
  readonly code: number;
  /** Why it failed; undefined where it did not. */
  readonly why: string | undefined;
  /** It ended by itself: what it wrote last may say more. */
  readonly byItself: boolean;
  /** The signal that its exit code names: it was told to stop, and did so in order. */
  readonly stopped: NodeJS.Signals | undefined;
  /** It was ended by a signal from here. */
  readonly sent: boolean;
}

/** Takes bytes of a stream, and undefined when it has ended. */
type Hear = (bytes: Uint8Array | undefined) => void;

export interface ChildOptions {
  readonly ranks: readonly number[];
  /** This process's own where undefined. */
  readonly runtime: Runtime | undefined;
  /** Cores of this machine for each of its processes, at least 1. */
  readonly cores: number;
  readonly env: NodeJS.ProcessEnv;
  readonly out: Hear;
  readonly error: Hear;
}

/** ms that a process's last output may take after its end: a process that it started may hold the stream open. */
const linger = 500;

/** V8's own helpers, 4 a process by default, collect and compile: no more than there are cores, or they get in the way of other ranks. */
const flags: Record<Runtime, (cores: number) => readonly string[]> = {
  node: (cores) => [`--v8-pool-size=${Math.min(cores, 4)}`],
  deno: () => ["run", "-A"],
  bun: () => [],
};

/** Where Node keeps what it compiled, its own default: ranks that start again do so in a third of the time. Others do not look. */
const compiled = { NODE_COMPILE_CACHE: join(tmpdir(), "node-compile-cache") };

const ownRuntime = (): Runtime => (process.versions.deno ? "deno" : process.versions.bun ? "bun" : "node");

const noun = (ranks: readonly number[]): string =>
  ranks.length === 1 ? `rank ${ranks[0]}` : `ranks ${ranks[0]}-${ranks.at(-1)}`;

export class Child {
  readonly ranks: readonly number[];
  /** Resolves when the process ends; its output may still come. */
  readonly ending: Promise<Ending>;
  /** Resolves when it ended, and what it said of that has come. */
  readonly said: Promise<unknown>;
  /** Resolves when its output has ended too. */
  readonly closed: Promise<unknown>;
  readonly #process: ChildProcess;
  readonly #sent = new Set<NodeJS.Signals>();

  /** Starts it in a process group of its own, so that a terminal's Ctrl-C reaches it through `signal` alone. */
  constructor({ ranks, runtime, cores, env, out, error }: ChildOptions) {
    const rank = fileURLToPath(new URL("../rank.ts", import.meta.url));
    const args = [...flags[runtime ?? ownRuntime()](cores), rank];
    const command = runtime ?? process.execPath;
    this.ranks = ranks;
    const stdio = ["ignore", "pipe", "pipe"] as const;
    this.#process = spawn(command, args, { detached: true, stdio: [...stdio], env: { ...compiled, ...env } });
    this.ending = endingOf(this.#process, ranks, command, this.#sent);
    const { stdout, stderr } = this.#process;
    const read = [stdout?.on("data", out), stderr?.on("data", error)].map((stream) => stream && once(stream, "close"));
    const within = (ms: number): Promise<unknown> =>
      this.ending.then(() => Promise.race([Promise.all(read), setTimeout(ms, undefined, { ref: false })]));
    this.said = within(linger / 5);
    this.closed = within(linger).finally(() => [out, error].map((hear) => hear(undefined)));
  }

  /** Signals its whole group: what it started is its own to end, but not to leave behind. */
  signal(name: NodeJS.Signals): void {
    const { pid } = this.#process;
    this.#sent.add(name);
    try {
      if (pid !== undefined) process.kill(process.platform === "win32" ? pid : -pid, name);
    } catch {
      // it has ended
    }
  }
}

type Sent = ReadonlySet<NodeJS.Signals>;

function endingOf(child: ChildProcess, ranks: readonly number[], command: string, sent: Sent): Promise<Ending> {
  const { promise, resolve } = Promise.withResolvers<Ending>();
  const why = `no ${command} on the PATH: install it, or leave out --runtime`;
  child.once("error", () => resolve({ ranks, code: 1, why, byItself: false, stopped: undefined, sent: false }));
  child.once("exit", (code, signal) => resolve(signal ? killed(signal, ranks, sent) : exited(code ?? 1, ranks)));
  return promise;
}

function killed(signal: NodeJS.Signals, ranks: readonly number[], sent: Sent): Ending {
  const why = `${noun(ranks)} ${ranks.length === 1 ? "was" : "were"} killed by ${signal}`;
  const code = 128 + constants.signals[signal];
  return { ranks, code, why, byItself: false, stopped: undefined, sent: sent.has(signal) };
}

function exited(code: number, ranks: readonly number[]): Ending {
  const stopped = (["SIGINT", "SIGTERM", "SIGHUP"] as const).find((name) => code === 128 + constants.signals[name]);
  const why = code ? `${noun(ranks)} ended with code ${code}` : undefined;
  return { ranks, code, why, byItself: true, stopped, sent: false };
}
