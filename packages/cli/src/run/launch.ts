// One start of a run: this machine's ranks, what they write, signals for them, and word to every rank of the run when one ends.
// What the ranks do and how they meet is theirs; when to start them again is `attempts.ts`.
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { RankError } from "@orthant/core";
import type { Result } from "../result.ts";
import type { RunArguments } from "./arguments.ts";
import { Child, type Ending } from "./children.ts";
import { type MeetingPlace, meetingPlace } from "./place.ts";
import { Screen } from "./screen.ts";
import { withTicket } from "./ticket.ts";
import { codeOf, hasFailed, type News, verdict } from "./verdict.ts";

/** ms that ranks get to end by themselves once one has failed. */
const grace = 4000;
/** ms that they get where the run is started again: it waits for them. */
const short = 1000;
/** ms that they get once nobody is there who could ask again. */
const farewell = 3500;
/** ms that they get where somebody asked twice. */
const last = 1000;
/** ms between two looks at lines that wait. */
const refresh = 50;

export class Launch {
  readonly #args: RunArguments;
  /** How often the run was started before. */
  readonly #attempt: number;
  readonly #screen: Screen;
  readonly #launch = crypto.randomUUID();
  #place: MeetingPlace | undefined;
  #children: readonly Child[] = [];
  /** What was heard of each rank that did not end well, here or elsewhere, in that order. */
  readonly #news = new Map<number, News>();
  /** The first line of what its process wrote last to standard error, by rank. */
  readonly #words = new Map<number, string>();
  /** The signal that all ranks here were told. */
  #told: NodeJS.Signals | undefined;
  #insisted = false;
  /** Why another start counts. */
  #replaced: string | undefined;
  #last: NodeJS.Timeout | undefined;

  /** `note` is said before all else. */
  constructor(args: RunArguments, attempt: number, note?: string) {
    const { stdout, stderr } = process;
    this.#args = args;
    this.#attempt = attempt;
    this.#screen = new Screen({
      out: (text) => stdout.write(text),
      error: (text) => stderr.write(text),
      all: args.ranks.length,
      columns: stdout.isTTY ? () => stdout.columns : undefined,
    });
    if (note) this.#screen.say(note);
  }

  async run(): Promise<Result> {
    this.#place = await meetingPlace({ ...this.#args, run: this.#run }, this.#launch, (text) => this.#screen.say(text));
    this.#place.lobby?.onGone((rank, failure) =>
      this.#hear(rank, { why: failure.message, whole: failure instanceof RankError }),
    );
    const { ranks, transport } = this.#args;
    if (this.#replaced) return this.#result([]);
    const parts = transport === "threads" ? [ranks] : ranks.map((rank) => [rank]);
    const cores = Math.max(1, Math.floor(availableParallelism() / parts.length));
    this.#children = parts.map((own) => this.#start(own, cores));
    const timer = setInterval(() => this.#screen.flush(performance.now()), refresh);
    const endings: Ending[] = [];
    for (const { ending, said } of this.#children)
      void ending.then(async (end) => {
        endings.push(end);
        await said;
        if (hasFailed(end, this.#told) && !this.#replaced) this.#fail(end);
      });
    await Promise.all(this.#children.map(({ closed }) => closed));
    clearInterval(timer);
    clearTimeout(this.#last);
    this.#screen.close();
    return this.#result(endings);
  }

  #result(endings: readonly Ending[]): Result {
    if (this.#replaced) return { code: 1, text: `orthant run: ${this.#replaced}` };
    const [told, insisted, news] = [this.#told, this.#insisted, [...this.#news.values()]];
    return verdict({ endings, told, insisted, news, grace: this.#grace });
  }

  get #grace(): number {
    return this.#attempt < this.#args.restarts ? short : grace;
  }

  /** Whether it ended because a rank or a machine did, and not because somebody asked. */
  get lost(): boolean {
    return (this.#news.size > 0 || this.replaced) && !this.#told;
  }

  /** Whether it ended because another start counts. */
  get replaced(): boolean {
    return this.#replaced !== undefined;
  }

  /** Ends all ranks here at once: another start counts. */
  replace(why: string): void {
    this.#replaced = why;
    this.#signal("SIGKILL");
  }

  /** The name under which ranks meet: of each attempt its own, as what is left of one before may still send; below the run's own. */
  get #run(): string {
    const { run } = this.#args;
    return this.#attempt ? `${run}.${this.#attempt}` : run;
  }

  async close(): Promise<void> {
    await this.#place?.lobby?.close();
    await this.#place?.own?.stop();
  }

  #start(ranks: readonly number[], cores: number): Child {
    const { script, args, size, runtime, encrypt, restarts, elastic } = this.#args;
    const { servers, env } = this.#place as MeetingPlace;
    const columns = process.stdout.isTTY && ranks.includes(0) ? process.stdout.columns : undefined;
    const place = { parent: process.pid, columns };
    const ticket = withTicket({
      script: resolve(script),
      args,
      size,
      ranks,
      run: this.#run,
      launch: this.#launch,
      servers,
      encrypt,
      attempt: restarts ? this.#attempt : undefined,
      elastic,
      ...place,
    });
    const stream = (error: boolean) => {
      const hear = this.#screen.stream(ranks, error);
      return (bytes: Uint8Array | undefined) => hear(bytes, performance.now());
    };
    const show = stream(true);
    const error = (bytes: Uint8Array | undefined): void => {
      if (bytes)
        for (const rank of ranks) this.#words.set(rank, new TextDecoder().decode(bytes).split("\n", 1)[0] ?? "");
      show(bytes);
    };
    const all = { ...env, ...this.#device(ranks), ...ticket };
    return new Child({ ranks, runtime, cores, env: all, out: stream(false), error });
  }

  /** What the process of these ranks reads of devices: which, of several of a machine the first that is its own, where to write what it did. */
  #device([first]: readonly number[]): NodeJS.ProcessEnv {
    const { device, profile, ranks } = this.#args;
    return {
      ORTHANT_LOCAL_RANK: `${ranks.indexOf(first as number)}`,
      ...(device && { ORTHANT_DEVICE: device }),
      ...(profile && { ORTHANT_PROFILE: profile }),
    };
  }

  #fail({ ranks, why: how = "", byItself }: Ending): void {
    const words = byItself ? this.#words.get(ranks[0] as number) : undefined;
    const why = words ? `${how}; ${words}` : how;
    for (const rank of ranks) {
      this.#place?.lobby?.gone(rank, why);
      this.#hear(rank, { why, whole: words !== undefined });
    }
  }

  /** A run does not go on without one of its ranks. */
  #hear(rank: number, news: News): void {
    if (!this.#news.has(rank)) this.#news.set(rank, news);
    this.#kill(this.#grace);
  }

  /** Asks the ranks to stop after their step. */
  stop(name: NodeJS.Signals, why: string): void {
    if (this.#children.length === 0) {
      process.stderr.write(`orthant run: stopped by ${name} before a rank started\n`);
      process.exit(codeOf(name));
    }
    this.#told = name;
    this.#signal(name);
    if (name === "SIGHUP") this.#kill(farewell);
    const more = name === "SIGHUP" ? `all end within ${farewell / 1000} s` : "once more ends all";
    this.#screen.say(`${why}: ranks that train stop after their step; ${more}`);
  }

  /** Ends them now, also those that have other plans. */
  insist(name: NodeJS.Signals): void {
    this.#insisted = true;
    this.#signal(name);
    clearTimeout(this.#last);
    this.#last = setTimeout(() => this.#signal("SIGKILL"), last);
  }

  /** Leaves no choice to who is there after `ms`. */
  #kill(ms: number): void {
    this.#last ??= setTimeout(() => this.#signal("SIGKILL"), ms);
  }

  #signal(name: NodeJS.Signals): void {
    for (const child of this.#children) child.signal(name);
  }
}
