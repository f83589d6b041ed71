// Processes of a case: started, listened to line by line, and ended by their pids whatever happens. Knows no ranks' work.
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { TestServer } from "@orthant/testing/nats-server";

/** ms between two looks. */
const look = 10;

/** What `find` finds, asked again and again; throws after `ms`, with what was waited for. */
export async function until<T>(what: string, ms: number, find: () => T | undefined | false, every = look): Promise<T> {
  for (const from = performance.now(); ; await setTimeout(every)) {
    const found = find();
    if (found !== undefined && found !== false) return found;
    if (performance.now() - from > ms) throw new Error(`waited ${ms / 1000} s for ${what}`);
  }
}

export function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function end(pid: number): void {
  if (alive(pid)) process.kill(pid, "SIGKILL");
}

/** `0-2,5`, as the launcher shows ranks. */
const toRanks = (text: string): number[] =>
  text.split(",").flatMap((part) => {
    const [from = 0, to = from] = part.split("-").map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });

export interface Line {
  /** Who wrote it, where a launcher says so. */
  readonly ranks: readonly number[];
  readonly text: string;
}

export class Program {
  readonly lines: Line[] = [];
  /** Its own, and those that it says it started: lines `pid 123`. */
  readonly pids = new Set<number>();
  readonly #process: ChildProcess;
  #closed = false;

  constructor(args: readonly string[]) {
    this.#process = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.pids.add(this.pid);
    this.#process.once("close", () => {
      this.#closed = true;
    });
    for (const stream of [this.#process.stdout, this.#process.stderr])
      if (stream) createInterface(stream).on("line", (line) => this.#hear(line));
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  /** Exit code, or name of the signal that ended it; undefined until then, and until all that it wrote is here. */
  get ended(): number | string | undefined {
    return this.#closed ? this.#ending : undefined;
  }

  get #ending(): number | string | undefined {
    return this.#process.exitCode ?? this.#process.signalCode ?? undefined;
  }

  get left(): number[] {
    return [...this.pids].filter(alive);
  }

  /** The first line that matches, once it is there. Throws where the program ends without. */
  async said(pattern: RegExp, ms: number): Promise<RegExpExecArray> {
    const find = (): RegExpExecArray | undefined => {
      for (const { text } of this.lines) {
        const match = pattern.exec(text);
        if (match) return match;
      }
      if (this.ended === undefined) return undefined;
      throw new Error(`ended with ${this.ended} and never said ${pattern}:\n${this.tail()}`);
    };
    return until(`${pattern} from:\n${this.tail()}\n`, ms, find);
  }

  tail(): string {
    return this.lines
      .slice(-12)
      .map(({ ranks, text }) => `    [${ranks}] ${text.slice(0, 400)}`)
      .join("\n");
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name);
  }

  endAll(): void {
    for (const pid of this.pids) end(pid);
  }

  #hear(line: string): void {
    const [, ranks, text = line] = /^\[([\d,-]+)\] (.*)$/.exec(line) ?? [];
    this.lines.push({ ranks: ranks === undefined ? [] : toRanks(ranks), text });
    const pid = /^pid (\d+)$/.exec(text)?.[1];
    if (pid) this.pids.add(Number(pid));
  }
}

/** All that a case starts; ended with it. */
export class Scene {
  readonly #programs: Program[] = [];
  readonly #closers: (() => unknown)[] = [];

  /** `node ...args`. */
  start(...args: readonly string[]): Program {
    const program = new Program(args);
    this.#programs.push(program);
    return program;
  }

  /** A nats-server; `config` in its own format. */
  async server(config?: string): Promise<TestServer> {
    const server = await TestServer.start(config);
    this.defer(() => server.stop());
    return server;
  }

  defer(close: () => unknown): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const program of this.#programs) program.endAll();
    for (const close of this.#closers) await close();
  }
}

/** Seconds, for people. */
export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
