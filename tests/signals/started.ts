// A command of a case: what it says, how it ends, which processes it started and which of them are left.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { setTimeout } from "node:timers/promises";

/** ms that a command may take to say something, on a machine that does other things. */
const patience = 90_000;

interface Running {
  readonly pid: number;
  readonly parent: number;
}

function running(): Running[] {
  const rows = execFileSync("ps", ["-eo", "pid=,ppid=,stat="], { encoding: "utf8" }).trim().split("\n");
  const all = rows.map((row) => row.trim().split(/\s+/));
  const alive = all.filter(([, , state = ""]) => !state.startsWith("Z")); // dead, and not yet asked about
  return alive.map(([pid, parent]) => ({ pid: Number(pid), parent: Number(parent) }));
}

export class Started {
  /** Both outputs, in the order in which they came. */
  said = "";
  readonly #process: ChildProcess;
  #ended: number | string | undefined;
  #known: readonly number[] = [];

  constructor(cwd: string, command: string, args: readonly string[]) {
    this.#process = spawn(command, args, { cwd, stdio: ["pipe", "pipe", "pipe"] });
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream?.on("data", (bytes) => {
        this.said += bytes;
      });
    this.#process.once("close", (code, signal) => {
      this.#ended = code ?? signal ?? undefined;
    });
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  /** Exit code, or the signal that ended it. */
  get ended(): number | string | undefined {
    return this.#ended;
  }

  /** What `pattern` finds in what was said, once it is there. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (const from = performance.now(); performance.now() - from < patience; await setTimeout(20)) {
      const found = pattern.exec(this.said);
      if (found) return found;
      if (this.#ended !== undefined)
        throw new Error(`ended with ${this.#ended} and never said ${pattern}:\n${this.said}`);
    }
    throw new Error(`waited ${patience / 1000} s for ${pattern}:\n${this.said}`);
  }

  /** Types into its terminal. */
  type(text: string): void {
    this.#process.stdin?.write(text);
  }

  /** Looks which processes are below it now: after its end they are nobody's. */
  look(): readonly number[] {
    const all = running();
    const below = (parent: number): number[] =>
      all.filter((one) => one.parent === parent).flatMap(({ pid }) => [pid, ...below(pid)]);
    this.#known = [this.pid, ...below(this.pid)];
    return this.#known;
  }

  /** Which of those that it had are alive. */
  left(): number[] {
    return running().flatMap(({ pid }) => (this.#known.includes(pid) ? [pid] : []));
  }

  /** Waits until all that was said is here, for a while. */
  async settled(): Promise<void> {
    for (let looks = 0; looks < 50 && this.#ended === undefined; looks++) await setTimeout(20);
  }

  /** ms until none of them is left; undefined where one is after `limit`. */
  async gone(limit: number): Promise<number | undefined> {
    const from = performance.now();
    while (this.left().length > 0) {
      if (performance.now() - from > limit) return undefined;
      await setTimeout(50);
    }
    return performance.now() - from;
  }

  /** Ends all of them. */
  end(): void {
    for (const pid of this.left()) process.kill(pid, "SIGKILL");
  }
}
