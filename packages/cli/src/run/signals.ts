// What asks the launcher to end: signals, a terminal that is closed, npm that is gone. Tells the first, and again where
// somebody insists.
import { readFileSync } from "node:fs";

/** ms in which a second signal is the first one again: npm passes on what a terminal has sent to all. */
const echo = 500;
/** ms between two looks at who started this process. */
const look = 500;

export interface SignalEvents {
  /** `why` is the signal's name, or what it stands for. */
  onFirst(name: NodeJS.Signals, why: string): void;
  onAgain(name: NodeJS.Signals): void;
}

export function hearSignals({ onFirst, onAgain }: SignalEvents): void {
  let since: number | undefined;
  const hear = (name: NodeJS.Signals, why: string = name): void => {
    const now = performance.now();
    if (since !== undefined && name !== "SIGHUP" && now - since >= echo) onAgain(name);
    if (since === undefined) onFirst(name, why);
    since ??= now;
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => hear(name));
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", () => hear("SIGHUP", "nobody reads the output"));
  watchNpm(() => hear("SIGHUP", "npm is gone"));
}

/** npx passes no SIGTERM on to what its shell runs, and no SIGKILL: who is left without it ends. */
function watchNpm(lost: () => void): void {
  if (!process.env.npm_command) return;
  const { ppid } = process;
  const above = npmAbove(ppid);
  setInterval(() => (process.ppid !== ppid || npmAbove(ppid) !== above) && lost(), look).unref();
}

/** The process that started the shell `pid`; undefined where that is no shell, or Linux does not tell. */
function npmAbove(pid: number): number | undefined {
  const [, parent] = /^\d+ \(\w*sh\) \S (\d+)/.exec(statOf(pid)) ?? [];
  return parent === undefined ? undefined : Number(parent);
}

function statOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return "";
  }
}
