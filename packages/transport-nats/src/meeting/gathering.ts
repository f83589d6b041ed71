// The lobby of a run, as one of its clients sees it: hellos until all ranks have met, refusals, and later that a rank is gone.

import type { Link } from "../connection/link.ts";
import type { ClientJob } from "../job.ts";
import { ciphersHere } from "../protocol/cipher.ts";
import { type Control, ControlCodec, type Gone, type Hello, type Stranger } from "../protocol/control.ts";
import { packFailure, unpackFailure } from "../protocol/failure.ts";
import { FrameError } from "../protocol/frame.ts";
import { SecretError } from "../protocol/sealed.ts";
import { keyOf } from "../protocol/secret.ts";
import { subjectsOf } from "../protocol/subjects.ts";
import { Gate } from "./gate.ts";
import { type Meeting, Rendezvous } from "./rendezvous.ts";

/** ms between two hellos. */
const helloEvery = 200;
/** ms between two answers, to whomever. */
const answerEvery = 20;
/** ms without all after which somebody may want to know who is missing. */
const patience = 10_000;
/** ms with nobody but clients of another secret after which this one goes. */
const alone = 3000;

/** What a client says of itself, and how long it waits, ms. */
export type GatheringJob = Pick<
  ClientJob,
  "run" | "epoch" | "launch" | "ranks" | "size" | "fingerprint" | "gather" | "secret"
>;

export interface GatheringEvents {
  /** Somebody says that `rank` is gone. */
  readonly onGone: (rank: number, failure: Error) => void;
  /** Some are missing for a while. */
  readonly onWait: (ranks: readonly number[]) => void;
  /** This client is refused. */
  readonly onRefused: (error: Error) => void;
  /** Another client is, in a line. */
  readonly onStranger?: (reason: string) => void;
  /** A message is not of this run. */
  readonly onDropped?: (kind: string, why: string) => void;
}

const claims: Readonly<Record<string, string>> = {
  hello: "hellos",
  here: "hellos",
  refusal: "refusals",
  gone: 'words that a rank is gone ("gone")',
};

export class Gathering {
  readonly #job: GatheringJob;
  readonly #link: Link;
  readonly #lobby: string;
  readonly #events: GatheringEvents;
  readonly #controls: ControlCodec;
  readonly #met: Rendezvous;
  readonly #gate = new Gate();
  #hellos: NodeJS.Timeout | undefined;
  #long: NodeJS.Timeout | undefined;
  #late: NodeJS.Timeout | undefined;
  #answer: NodeJS.Timeout | undefined;
  /** Somebody else has the secret. */
  #company = false;
  /** Since when others are heard that have another secret, ms; what they have. */
  #others: { readonly since: number; readonly have: string } | undefined;
  #done = false;
  /** Clients told once more that all have met. */
  readonly #behind = new Set<string>();

  constructor(job: GatheringJob, link: Link, events: GatheringEvents) {
    const { run, epoch, launch, ranks, size, fingerprint, secret } = job;
    this.#job = job;
    this.#link = link;
    this.#lobby = subjectsOf(run, epoch).lobby;
    this.#events = events;
    this.#controls = new ControlCodec(keyOf(secret, ["lobby", run]));
    const id = `${Date.now().toString(36).padStart(10, "0")}-${crypto.randomUUID()}`;
    this.#met = new Rendezvous({ id, launch, run, epoch, ranks, size, fingerprint, ciphers: ciphersHere() });
  }

  /** The random name of this client. */
  get id(): string {
    return this.#met.hello.id;
  }

  /** Says hello until all know all. Resolves when this client does, with who lives where; rejects after `gather` ms. */
  async complete(): Promise<Meeting> {
    this.#link.subscribe(this.#lobby, (bytes) => this.#hear(bytes));
    const late = Promise.withResolvers<never>();
    this.#long = setTimeout(() => this.#events.onWait(this.#met.missing()), patience);
    this.#late = setTimeout(() => late.reject(this.#missing()), this.#job.gather);
    await Promise.race([this.#sayHello(), late.promise]);
    for (const timer of [this.#long, this.#late]) clearTimeout(timer);
    this.#done = true;
    return this.#met.meeting();
  }

  /** Says no more hellos, and waits for nobody. */
  end(): void {
    for (const timer of [this.#hellos, this.#long, this.#late, this.#answer]) clearTimeout(timer);
  }

  /** Tells all that `rank` is gone. */
  tellGone(rank: number, error: Error): void {
    const { hello, heard } = this.#met;
    const gone: Gone = { kind: "gone", id: hello.id, rank, failure: packFailure(error), heard };
    this.#link.publish(this.#lobby, this.#controls.encode(gone));
  }

  #sayHello(): Promise<void> {
    return new Promise((resolve) => {
      const say = (): void => {
        const { hello, over } = this.#met;
        this.#link.publish(this.#lobby, this.#controls.encode(hello));
        if (hello.complete) resolve();
        if (over) clearInterval(this.#hellos);
      };
      this.#hellos = setInterval(say, helloEvery);
      say();
    });
  }

  #missing(): Error {
    const { run, gather } = this.#job;
    const refused = [...this.#met.refused].map((reason) => `; refused another: ${reason}`).join("");
    const others = this.#others ? `; others in its lobby have ${this.#others.have}` : "";
    const ranks = this.#met.missing().join(", ");
    return new Error(
      `run "${run}": no word of rank ${ranks} in ${gather} ms: start them, on the same server${refused}${others}`,
    );
  }

  #hear(bytes: Uint8Array): void {
    const refusal = this.#gate.refusal(bytes.length);
    if (refusal) this.#events.onDropped?.("hellos", refusal);
    else this.#read(bytes);
  }

  #read(bytes: Uint8Array): void {
    try {
      this.#take(this.#controls.decode(bytes));
    } catch (error) {
      if (error instanceof FrameError) this.#drop(bytes, error);
      else this.#go(error as Error);
    }
  }

  /** Goes, and says a last hello, so that the others know of it and why. */
  #go(error: Error): void {
    if (!this.#done) this.#link.publish(this.#lobby, this.#controls.encode(this.#met.hello));
    this.#events.onRefused(error);
  }

  #drop(bytes: Uint8Array, error: FrameError): void {
    const claimed = this.#controls.claimed(bytes);
    const has = error instanceof SecretError;
    const what = claims[claimed?.kind ?? ""] ?? "messages in the lobby";
    if (has) this.#events.onDropped?.(`${what} of ${error.message}`, `its sender has ${error.message}`);
    else this.#events.onDropped?.(what, error.message);
    if (has && claimed?.kind === "hello") this.#meetOther(claimed, error.message);
  }

  #take(message: Control | Stranger): void {
    if (message.kind === "here" || message.kind === "state") return;
    this.#company = true;
    if (message.kind !== "gone") this.#reply(message);
    else if (this.#met.concerns(message)) this.#events.onGone(message.rank, unpackFailure(message.failure));
  }

  #reply(message: Exclude<Control, { kind: "state" | "gone" | "here" }> | Stranger): void {
    const news = message.kind === "hello" && !this.#met.knows(message);
    const refusal = this.#met.hear(message);
    if (refusal) this.#events.onStranger?.(refusal.reason);
    if (refusal) this.#link.publish(this.#lobby, this.#controls.encode(refusal));
    else if (news || this.#isBehind(message)) this.#sayAgain();
  }

  /** Whether a client still says hello when all have met here: it may lack this one's last word. */
  #isBehind({ id }: { readonly id: string }): boolean {
    if (!this.#met.over || this.#behind.has(id)) return false;
    if (this.#met.heard.includes(id)) this.#behind.add(id);
    return this.#behind.has(id);
  }

  /** Says hello once for all whom it is an answer to. */
  #sayAgain(): void {
    this.#answer ??= setTimeout(() => {
      this.#answer = undefined;
      this.#link.publish(this.#lobby, this.#controls.encode(this.#met.hello));
    }, answerEvery);
  }

  /**
   * Hears a client that `has` another secret, or none. Answers it, so that it sees the same. Until it has met the others, this
   * client goes where such a one says that its own run is complete, or where there is nobody else.
   */
  #meetOther({ id, complete, heard }: Hello, has: string): void {
    const now = performance.now();
    this.#met.noteStranger(id);
    this.#sayAgain();
    if (this.#done || !heard.includes(this.id)) return;
    this.#others ??= { since: now, have: has };
    if (!complete && (this.#company || now - this.#others.since < alone)) return;
    const reason = `run "${this.#job.run}": the clients in its lobby have ${has}`;
    const way = "if they are another job, give this one a name of its own; if not, all its processes one secret";
    this.#events.onRefused(new Error(`${reason}: ${way}`));
  }
}
