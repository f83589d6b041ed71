// A run's lobby for who has no rank in it: a launcher says that a rank of its own ended, and hears what others say.

import { LostRankError } from "@orthant/core/transport-kit";
import type { LinkOptions } from "../connection/dial.ts";
import { Link } from "../connection/link.ts";
import { type Control, ControlCodec, type Gone, type Hello, type Stranger } from "../protocol/control.ts";
import { packFailure, unpackFailure } from "../protocol/failure.ts";
import { FrameError } from "../protocol/frame.ts";
import { SecretError } from "../protocol/sealed.ts";
import { keyOf, secretOf } from "../protocol/secret.ts";
import { subjectsOf } from "../protocol/subjects.ts";
import { Gate } from "./gate.ts";
import { concerns } from "./rendezvous.ts";

/** ms after which a word is said again: a rank that comes late must hear it too. */
const repeatEvery = 500;
/** Clients that are remembered, at most. */
const most = 4096;

type HearGone = (rank: number, failure: Error) => void;

/** Options of the lobby. */
export interface LobbyOptions extends LinkOptions {
  readonly run: string;
  /** A name of one's own, new at each launch, which the ranks that one starts are given too. */
  readonly launch: string;
  /** The run's secret, as for `nats`; by default that of the environment's `ORTHANT_SECRET`. */
  readonly secret?: string | Uint8Array;
}

/** Place where launchers of one run meet before a rank starts. */
export interface Lobby {
  /** Bytes. */
  readonly maxPayload: number;
  /** Tells all ranks of the run that `rank` ended: they stop, with `reason`, which names it. Said again until closed. */
  gone(rank: number, reason: string): void;
  /**
   * Calls `hear` for each rank that ranks and other launchers say is gone: with the RankError of one that failed, with a
   * LostRankError otherwise.
   */
  onGone(hear: HearGone): void;
  /** Calls `hear` once, in one line, where somebody in the lobby has another secret than this launcher, or where one alone has one. */
  onStranger(hear: (reason: string) => void): void;
  /** Resolves once as many other launchers of the same secret are here; rejects, in one line, after `ms` or where one has another. */
  launchers(others: number, ms: number): Promise<void>;
  /** Leaves the lobby. */
  close(): Promise<void>;
}

/** Rejects in one line where there is no server, it refuses the credentials, or the secret is too short. */
export async function openLobby({ run, launch, secret, ...options }: LobbyOptions): Promise<Lobby> {
  const { lobby } = subjectsOf(run, 0);
  const controls = new ControlCodec(keyOf(secretOf(secret), ["lobby", run]));
  const link = await Link.open(options, () => {});
  const ear = new Ear(run, launch, controls);
  const said: Pick<Gone, "rank" | "failure">[] = [];
  const say = (message: Control): boolean => link.publish(lobby, controls.encode(message));
  const repeat = (): void => {
    say({ kind: "here", id: launch });
    for (const word of said) say({ kind: "gone", id: launch, ...word, heard: ear.heard });
  };
  link.subscribe(lobby, (bytes) => ear.listen(bytes));
  void ear.stranger.then(repeat); // so that it sees the same before this launcher goes
  repeat();
  const timer = setInterval(repeat, repeatEvery).unref();
  void link.watch({ onUp: repeat, onDown: () => {} });
  return {
    maxPayload: link.maxPayload,
    gone(rank, reason) {
      said.push({ rank, failure: packFailure(new LostRankError({ rank, reason })) });
      repeat(); // in order: who hears the lobby only from now on must learn who was first
    },
    onGone: (hear) => void ear.onGone.push(hear),
    onStranger: (hear) => void ear.stranger.then(hear),
    launchers: (others, ms) => ear.launchers(others, ms),
    close() {
      clearInterval(timer);
      return link.close();
    },
  };
}

/** Hears who ended, of the run whose clients said hello and were not refused. */
class Ear {
  readonly onGone: HearGone[] = [];
  /** Why somebody here is a stranger. */
  readonly stranger: Promise<string>;
  readonly #run: string;
  readonly #launch: string;
  readonly #controls: ControlCodec;
  readonly #hellos = new Map<string, Hello>();
  readonly #refused = new Set<string>();
  readonly #launchers = new Set<string>();
  readonly #gate = new Gate();
  readonly #strange: (reason: string) => void;
  #arrived: (() => void) | undefined;

  constructor(run: string, launch: string, controls: ControlCodec) {
    this.#run = run;
    this.#launch = launch;
    this.#controls = controls;
    const { promise, resolve } = Promise.withResolvers<string>();
    [this.stranger, this.#strange] = [promise, resolve];
  }

  /** Names the clients heard: they may take this launcher's word for new. */
  get heard(): string[] {
    return [...this.#hellos.keys()];
  }

  listen(bytes: Uint8Array): void {
    if (this.#gate.refusal(bytes.length)) return;
    try {
      this.#take(this.#controls.decode(bytes));
    } catch (error) {
      if (!(error instanceof FrameError)) throw error; // somebody else's: the ranks count them
      if (error instanceof SecretError)
        this.#strange(`run "${this.#run}": somebody in its lobby has ${error.message}: give all launchers the same`);
    }
  }

  async launchers(others: number, ms: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const enough = (): boolean => this.#launchers.size >= others;
    const late = (): Error =>
      new Error(
        `run "${this.#run}": ${this.#launchers.size} of ${others} other launchers came in ${ms} ms: start them`,
      );
    const timer = setTimeout(() => reject(late()), ms);
    this.#arrived = () => enough() && resolve();
    this.#arrived();
    void this.stranger.then((reason) => reject(new Error(reason)));
    await promise.finally(() => clearTimeout(timer));
  }

  #take(message: Control | Stranger): void {
    if (message.kind === "hello" && !this.#refused.has(message.id)) remember(this.#hellos, message.id, message);
    if (message.kind === "refusal") {
      if (this.#refused.size < most) this.#refused.add(message.id);
      this.#hellos.delete(message.id);
    }
    if (message.kind === "here" && this.#launchers.size < most) this.#launchers.add(message.id);
    if (message.kind === "here") this.#arrived?.();
    if (message.kind !== "gone" || !this.#isNew(message) || !concerns(this.#hellos.values(), message)) return;
    const failure = unpackFailure(message.failure);
    for (const hear of this.onGone) hear(message.rank, failure);
  }

  /** Whether it is of this launch, or of somebody who heard clients of this launch. */
  #isNew({ id, heard }: Gone): boolean {
    const own = [...this.#hellos.values()].filter(({ launch }) => launch === this.#launch);
    return own.some((hello) => hello.id === id || heard.includes(hello.id));
  }
}

/** Remembers the last ones. */
function remember(hellos: Map<string, Hello>, id: string, hello: Hello): void {
  hellos.set(id, hello);
  const [oldest] = hellos.keys();
  if (hellos.size > most && oldest !== undefined) hellos.delete(oldest);
}
