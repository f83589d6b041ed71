// The machines of a run over a server: each launcher says how things stand with it, and is told when to start its ranks, and as
// which. What they agree on, and how, is `roster.ts`.
import { createSecretKey } from "node:crypto";
import type { LinkOptions } from "../connection/dial.ts";
import { Link } from "../connection/link.ts";
import { FrameError } from "../protocol/frame.ts";
import { newPackr, unpack } from "../protocol/packed.ts";
import { opened, SecretError, sealed } from "../protocol/sealed.ts";
import { keyOf, secretOf } from "../protocol/secret.ts";
import { subjectsOf } from "../protocol/subjects.ts";
import { Gate } from "./gate.ts";
import { isSame, Roster, type Start, whyReplaced } from "./roster.ts";
import { Waits } from "./waits.ts";
import { toList, toWord } from "./word.ts";

/** ms between two words of a machine, and between two looks at the others. */
const lookEvery = 500;
/** Looks without a connection after which nobody is waited for. */
const mostDown = 120;

export interface MachinesOptions extends LinkOptions {
  readonly run: string;
  /** The run's secret, as for `nats`. */
  readonly secret?: string | Uint8Array;
  /** What all machines must be told alike, in words. */
  readonly about: string;
  /** Machines that the run wants; one more waits to take the place of one that is lost. */
  readonly machines: number;
  /** The run goes on with fewer, and with more again once they come. */
  readonly elastic: boolean;
  /** Losses after which nothing is started again. */
  readonly restarts: number;
  /** ms to wait for machines. Default 60 000. */
  readonly patience?: number;
}

/** What comes next for a machine. */
export type Next =
  | {
      readonly kind: "start";
      readonly start: Start;
      /** Its place among the machines, from 0. */
      readonly place: number;
    }
  /** The run ended elsewhere, with this exit code. */
  | { readonly kind: "over"; readonly code: number };

/** One launcher among those of a run that agree on each start (decision 026). */
export interface Machines {
  /**
   * Tells that no rank runs here, and waits to be needed. Rejects, in one line, where machines do not come, are told something
   * else than this one, or have another secret.
   */
  next(): Promise<Next>;
  /** Resolves once another start counts than this one, which goes on here: in words, why. */
  replaced(start: Start): Promise<string>;
  /** Names how many machines are here, this one too. */
  readonly here: number;
  /** Tells all that this machine leaves, with the exit code of what it ran. */
  leave(code: number): Promise<void>;
}

/** Rejects in one line where there is no server, or it refuses the credentials. */
export async function openMachines({ run, secret, patience = 60_000, ...options }: MachinesOptions): Promise<Machines> {
  const id = `${Date.now().toString(36).padStart(10, "0")}-${crypto.randomUUID()}`;
  const roster = new Roster({ ...options, id, patience: patience / lookEvery });
  const key = keyOf(secretOf(secret), ["lobby", run, "machines"]);
  const opening = Promise.withResolvers<never>();
  opening.promise.catch(() => {});
  const link = await Link.open(options, opening.reject);
  return new OpenMachines(
    { run, id, roster, link, refused: opening.promise, key: key && createSecretKey(key) },
    options,
  );
}

interface Opened {
  readonly run: string;
  readonly id: string;
  readonly roster: Roster;
  readonly link: Link;
  /** Rejects where the server refuses something. */
  readonly refused: Promise<never>;
  readonly key: ReturnType<typeof createSecretKey> | undefined;
}

class OpenMachines implements Machines {
  readonly #opened: Opened;
  readonly #wanted: Pick<MachinesOptions, "about" | "machines" | "elastic">;
  readonly #packr = newPackr();
  readonly #gate = new Gate();
  readonly #timer: NodeJS.Timeout;
  readonly #failed = Promise.withResolvers<never>();
  readonly #waits = new Waits();
  #said = "";
  /** Looks without a connection. */
  #down = 0;
  /** What somebody has who is not of this run: another secret, or none. */
  #stranger: string | undefined;

  constructor(opened: Opened, wanted: Pick<MachinesOptions, "about" | "machines" | "elastic">) {
    this.#opened = opened;
    this.#wanted = wanted;
    this.#failed.promise.catch(() => {});
    opened.link.subscribe(this.#subject, (bytes) => this.#hear(bytes));
    void opened.link.watch({ onUp: () => this.#say(), onDown: () => {} });
    this.#timer = setInterval(() => this.#look(), lookEvery);
    this.#say();
  }

  get #subject(): string {
    return subjectsOf(this.#opened.run, 0).machines;
  }

  get here(): number {
    return this.#opened.roster.here.length;
  }

  async next(): Promise<Next> {
    const { roster, id, refused } = this.#opened;
    roster.end();
    this.#say();
    const found = this.#waits.until((): Next | undefined => {
      const start = roster.next;
      if (start) return { kind: "start", start, place: start.machines.indexOf(id) };
      if (roster.over !== undefined) return { kind: "over", code: roster.over };
      if (roster.isLate || (this.#stranger && roster.isAlone)) throw this.#late();
      return undefined;
    });
    const next = await Promise.race([found, this.#failed.promise, refused]);
    if (next.kind === "start") roster.begin(next.start);
    this.#say();
    return next;
  }

  replaced(start: Start): Promise<string> {
    const { roster } = this.#opened;
    return this.#waits.until(() => {
      const now = roster.start;
      return now && !isSame(now, start) ? whyReplaced(start, now) : undefined;
    });
  }

  async leave(code: number): Promise<void> {
    this.#opened.roster.leave(code);
    this.#say();
    clearInterval(this.#timer);
    await this.#opened.link.close();
  }

  #late(): Error {
    const { machines } = this.#wanted;
    const run = `run "${this.#opened.run}"`;
    if (this.#stranger) return new Error(`${run}: somebody has ${this.#stranger}: give all launchers the same`);
    return new Error(`${run}: ${this.here} of ${machines} machines are here: start the others, or give all --elastic`);
  }

  #look(): void {
    const { link, roster, run } = this.#opened;
    this.#down = link.up ? 0 : this.#down + 1;
    if (link.up) roster.look();
    if (this.#down >= mostDown) this.#failed.reject(new Error(`run "${run}": no connection to the server${link.said}`));
    this.#said = "";
    this.#settle();
  }

  /** Says what is new, and asks again what waits. */
  #settle(): void {
    this.#say();
    this.#waits.ask();
  }

  #say(): void {
    const list = toList(this.#opened.roster.word);
    const text = JSON.stringify(list);
    if (text === this.#said) return;
    this.#said = text;
    this.#opened.link.publish(this.#subject, sealed(this.#opened.key, this.#packr.pack(list)));
  }

  #hear(bytes: Uint8Array): void {
    if (this.#gate.refusal(bytes.length)) return;
    try {
      const other = this.#opened.roster.hear(toWord(unpack(this.#packr, opened(this.#opened.key, bytes))));
      const { run } = this.#opened;
      if (other !== undefined)
        this.#failed.reject(new Error(`run "${run}": others have ${other}, this launcher ${this.#wanted.about}`));
      else this.#settle();
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      if (error instanceof SecretError) this.#stranger = error.message;
    }
  }
}
