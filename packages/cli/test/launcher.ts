// `orthant` as a process of its own, for tests: what it prints as it comes, how it ends, what it left running.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";

const pathOf = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** The script that tests launch. */
export const script = pathOf("./train.ts");

export class Launcher {
  out = "";
  error = "";
  readonly process: ChildProcess;
  readonly #ended: Promise<unknown[]>;

  constructor(cwd: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const stdio = ["ignore", "pipe", "pipe"] as const;
    const all = { ...process.env, ...env };
    this.process = spawn(process.execPath, [pathOf("../bin/orthant.js"), ...args], {
      cwd,
      stdio: [...stdio],
      env: all,
    });
    this.process.stdout?.on("data", (text) => {
      this.out += text;
    });
    this.process.stderr?.on("data", (text) => {
      this.error += text;
    });
    this.#ended = once(this.process, "close");
  }

  /** The exit code; null where a signal ended it. */
  async code(): Promise<number | null> {
    const [code] = await this.#ended;
    return code as number | null;
  }

  /** Waits until it has printed what `pattern` finds. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    await expect.poll(() => this.out, { timeout: 20_000, interval: 20 }).toMatch(pattern);
    return pattern.exec(this.out) as RegExpExecArray;
  }

  /** The losses that the script printed. */
  losses(): number[] {
    return JSON.parse(/^\[0[^\]]*\] (\[.*\])$/m.exec(this.out)?.[1] ?? "[]") as number[];
  }

  /** Processes below it that run now: its ranks, and a server. */
  children(): number[] {
    const all = table();
    const below = (parent: number | undefined): number[] =>
      all.filter((one) => one.parent === parent).flatMap(({ pid }) => [pid, ...below(pid)]);
    return below(this.process.pid);
  }
}

function table(): { pid: number; parent: number }[] {
  const text = execFileSync("ps", ["-eo", "pid=,ppid=,stat="], { encoding: "utf8" });
  const rows = text
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/));
  const running = rows.filter(([, , state = ""]) => !state.startsWith("Z")); // dead, and not yet asked about
  return running.map(([pid, parent]) => ({ pid: Number(pid), parent: Number(parent) }));
}

/** Waits until none of the processes runs; fails after 5 s. */
export async function untilGone(pids: readonly number[]): Promise<void> {
  const from = performance.now();
  const left = () => table().filter(({ pid }) => pids.includes(pid)).length;
  while (left() > 0 && performance.now() - from < 5000) await setTimeout(50);
  expect(left()).toBe(0);
}
