// `orthant run`: starts this machine's ranks, shows what they write, passes signals on, and tells every rank of the run
// when one ends. What the ranks do and how they meet is theirs.
import { statSync } from "node:fs";
import { constants, totalmem } from "node:os";
import { resolve } from "node:path";
import { RankError } from "@orthant/core";
import { type Lobby, NatsServer, openLobby } from "@orthant/transport-nats";
import { type Result, UsageError } from "../result.ts";
import { accessOf, onlyToken, withoutSecrets } from "./access.ts";
import { type RunArguments, runArguments } from "./arguments.ts";
import { Child, type Ending } from "./children.ts";
import { Screen } from "./screen.ts";
import { withTicket } from "./ticket.ts";

/** ms that ranks get to end by themselves once one has failed. */
const grace = 4000;
/** ms between two looks at lines that wait. */
const refresh = 50;

/** Where the ranks meet: a server, and the lobby where the run's launchers and ranks hear who ended. */
interface MeetingPlace {
  readonly servers: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly own?: NatsServer;
  readonly lobby?: Lobby;
}

/** Why a rank ended that did not end well. */
interface News {
  readonly why: string;
  /** It says what happened where; else only that the rank is gone. */
  readonly whole: boolean;
}

/** MiB of its own that a rank has before it trains: measured 104 for a process of Node 24, 50 for a thread. */
const leastRank = { process: 100, thread: 50 };

function checkMemory({ ranks: { length }, transport }: RunArguments): void {
  const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  const each = leastRank[transport === "threads" ? "thread" : "process"];
  const bytes = length * each * 2 ** 20;
  if (bytes <= totalmem()) return;
  const arithmetic = `${length} ranks here x ${each} MiB, before they train, are ${gib(bytes)}`;
  throw new UsageError(`${arithmetic}, this machine has ${gib(totalmem())}: start fewer, or on more --nodes`);
}

/** Runs until every process it started has ended. The code is that of the first that failed. */
export async function run(words: readonly string[]): Promise<Result> {
  const args = runArguments(words);
  if (!statSync(args.script, { throwIfNoEntry: false })?.isFile())
    throw new UsageError(`there is no file ${args.script}; paths count from the working directory`);
  checkMemory(args);
  const launch = new Launch(args);
  try {
    return await launch.run();
  } finally {
    await launch.close();
  }
}

async function meetingPlace({ transport, run }: RunArguments, launch: string): Promise<MeetingPlace> {
  if (transport === "threads") return { servers: [], env: process.env };
  if (transport !== "embedded") return joined(withoutSecrets(transport, process.env), { run, launch });
  const token = crypto.randomUUID();
  const own = await NatsServer.start({ config: `authorization { token: "${token}" }` });
  return { own, ...(await joined({ servers: [own.url], env: onlyToken(process.env, token) }, { run, launch })) };
}

async function joined(
  where: { servers: string[]; env: NodeJS.ProcessEnv },
  names: { run: string; launch: string },
): Promise<MeetingPlace> {
  const { servers, env } = where;
  return { ...where, lobby: await openLobby({ servers, ...names, ...accessOf(env) }) };
}

class Launch {
  readonly #args: RunArguments;
  readonly #screen: Screen;
  readonly #launch = crypto.randomUUID();
  #place: MeetingPlace | undefined;
  #children: readonly Child[] = [];
  /** What was heard of each rank that did not end well, here or elsewhere, in that order. */
  readonly #news = new Map<number, News>();
  /** The first line of what its process wrote last to standard error, by rank. */
  readonly #words = new Map<number, string>();
  /** Signals heard so far. */
  #signals = 0;
  #last: NodeJS.Timeout | undefined;

  constructor(args: RunArguments) {
    const { stdout, stderr } = process;
    this.#args = args;
    this.#screen = new Screen({
      out: (text) => stdout.write(text),
      error: (text) => stderr.write(text),
      all: args.ranks.length,
      columns: stdout.isTTY ? () => stdout.columns : undefined,
    });
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => this.#pass(name));
    stdout.on("error", () => this.#pass("SIGTERM")); // nobody reads on
  }

  async run(): Promise<Result> {
    this.#place = await meetingPlace(this.#args, this.#launch);
    this.#place.lobby?.onGone((rank, failure) =>
      this.#hear(rank, { why: failure.message, whole: failure instanceof RankError }),
    );
    const { ranks, transport } = this.#args;
    this.#children = (transport === "threads" ? [ranks] : ranks.map((rank) => [rank])).map((own) => this.#start(own));
    const timer = setInterval(() => this.#screen.flush(performance.now()), refresh);
    const failed: Ending[] = [];
    for (const { ending, said } of this.#children)
      void ending.then(async (end) => {
        if (end.why === undefined) return;
        failed.push(end);
        await said;
        this.#fail(end);
      });
    await Promise.all(this.#children.map(({ closed }) => closed));
    clearInterval(timer);
    clearTimeout(this.#last);
    this.#screen.close();
    return { code: failed[0]?.code ?? 0, text: failed[0] ? `orthant run: ${this.#blame()}` : "" };
  }

  async close(): Promise<void> {
    await this.#place?.lobby?.close();
    await this.#place?.own?.stop();
  }

  #start(ranks: readonly number[]): Child {
    const { script, args, size, run, runtime } = this.#args;
    const { servers, env } = this.#place as MeetingPlace;
    const columns = process.stdout.isTTY && ranks.includes(0) ? process.stdout.columns : undefined;
    const place = { parent: process.pid, columns };
    const ticket = withTicket({
      script: resolve(script),
      args,
      size,
      ranks,
      run,
      launch: this.#launch,
      servers,
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
    return new Child({ ranks, runtime, env: { ...env, ...ticket }, out: stream(false), error });
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
    this.#last ??= setTimeout(() => this.#signal("SIGKILL"), grace);
  }

  /** Who failed first; where its own words are few, also what it wrote, or who missed it first, and where. */
  #blame(): string {
    const [first, ...others] = [...this.#news.values()] as [News, ...News[]];
    const missed = first.whole ? undefined : others.find(({ whole }) => whole);
    return missed ? `${first.why}; ${missed.why}` : first.why;
  }

  /** The first asks the ranks to stop after their step, the second ends them, a third leaves them no choice. */
  #pass(name: NodeJS.Signals): void {
    if (this.#children.length === 0) process.exit(128 + constants.signals[name]);
    this.#signal(++this.#signals > 2 ? "SIGKILL" : name);
    if (this.#signals === 1) this.#screen.say(`${name}: ranks that train stop after their step; once more ends all`);
  }

  #signal(name: NodeJS.Signals): void {
    for (const child of this.#children) child.signal(name);
  }
}
