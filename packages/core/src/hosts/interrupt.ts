// What signals do to a run. The first SIGINT, SIGTERM or SIGHUP asks every rank to stop after its step. Where none has begun
// there is nothing to finish: it does what it would have without us, and so does a second SIGINT or SIGTERM.
import { signalNumber } from "../rank/stop.ts";

const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** ms in which a second signal is the first one again: npm passes on what a terminal has sent to all. */
const echo = 500;
/** ms that ranks get to end their step once the terminal is closed: nobody is there to ask again. */
const grace = 4000;

/** Exit code of a run that a signal stopped: 128 and its number, as shells have it. */
export const exitCodeOf = (signal: NodeJS.Signals): number => 128 + signalNumber(signal);

export class Interrupt {
  readonly #controller = new AbortController();
  readonly #close: () => void;
  readonly #heard = names.map((name) => [name, () => this.#hear(name)] as const);
  #begun = false;
  /** ms, when the first came. */
  #since = 0;
  #deadline: ReturnType<typeof setTimeout> | undefined;

  /** `close` completes the run's files, before this process is ended. */
  constructor(close: () => void) {
    this.#close = close;
    for (const [name, hear] of this.#heard) process.on(name, hear);
  }

  /** Aborts with the name of the first signal. */
  get stop(): AbortSignal {
    return this.#controller.signal;
  }

  /** Tells that the ranks have begun. */
  begin(): void {
    this.#begun = true;
  }

  /** Leaves signals to whoever else hears them. */
  release(): void {
    clearTimeout(this.#deadline);
    for (const [name, hear] of this.#heard) process.off(name, hear);
  }

  #hear(name: NodeJS.Signals): void {
    if (this.stop.aborted) this.#again(name);
    else this.#first(name);
  }

  #first(name: NodeJS.Signals): void {
    this.#since = performance.now();
    this.#controller.abort(name);
    if (name === "SIGHUP") for (const out of [process.stdout, process.stderr]) out.on("error", () => {}); // nobody reads on
    if (!this.#begun) this.#end("before the first step", name, () => this.#yield(name));
    else if (name === "SIGHUP") this.#deadline = setTimeout(() => this.#late(name), grace);
  }

  #again(name: NodeJS.Signals): void {
    if (name !== "SIGHUP" && performance.now() - this.#since >= echo) this.#yield(name);
  }

  #yield(name: NodeJS.Signals): void {
    this.release();
    process.kill(process.pid, name);
  }

  #late(name: NodeJS.Signals): void {
    const when = `in a step that did not end within ${grace / 1000} s`;
    this.#end(when, name, () => process.exit(exitCodeOf(name)));
  }

  #end(when: string, name: NodeJS.Signals, then: () => void): void {
    this.#close();
    process.stderr.write(`stopped by ${name} ${when}\n`, then);
  }
}
