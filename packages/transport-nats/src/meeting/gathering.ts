// The lobby of a run, as one of its clients sees it: hellos until all ranks have met, refusals, and later that a rank is gone.

import type { Link } from "../connection/link.ts";
import type { ClientJob } from "../job.ts";
import { type Control, ControlCodec, type Gone, type Stranger } from "../protocol/control.ts";
import { packFailure, unpackFailure } from "../protocol/failure.ts";
import { FrameError } from "../protocol/frame.ts";
import { subjectsOf } from "../protocol/subjects.ts";
import { Rendezvous } from "./rendezvous.ts";

/** ms between two hellos. */
const helloEvery = 200;
/** ms without all after which somebody may want to know who is missing. */
const patience = 10_000;

/** What a client says of itself, and how long it waits, ms. */
export type GatheringJob = Pick<ClientJob, "run" | "epoch" | "launch" | "ranks" | "size" | "fingerprint" | "gather">;

export interface GatheringEvents {
  /** Somebody says that `rank` is gone. */
  readonly onGone: (rank: number, failure: Error) => void;
  /** Some are missing for a while. */
  readonly onWait: (ranks: readonly number[]) => void;
  /** This client is refused. */
  readonly onRefused: (error: Error) => void;
}

export class Gathering {
  readonly #job: GatheringJob;
  readonly #link: Link;
  readonly #lobby: string;
  readonly #events: GatheringEvents;
  readonly #controls = new ControlCodec();
  readonly #met: Rendezvous;
  #hellos: NodeJS.Timeout | undefined;
  #long: NodeJS.Timeout | undefined;
  #late: NodeJS.Timeout | undefined;

  constructor(job: GatheringJob, link: Link, events: GatheringEvents) {
    const { run, epoch, launch, ranks, size, fingerprint } = job;
    this.#job = job;
    this.#link = link;
    this.#lobby = subjectsOf(run, epoch).lobby;
    this.#events = events;
    const id = `${Date.now().toString(36).padStart(10, "0")}-${crypto.randomUUID()}`;
    this.#met = new Rendezvous({ id, launch, run, epoch, ranks, size, fingerprint });
  }

  /** Says hello until all know all. Resolves when this client does, with the client of each rank; rejects after `gather` ms. */
  async complete(): Promise<readonly number[]> {
    this.#link.subscribe(this.#lobby, (bytes) => this.#hear(bytes));
    const late = Promise.withResolvers<never>();
    this.#long = setTimeout(() => this.#events.onWait(this.#met.missing()), patience);
    this.#late = setTimeout(() => late.reject(this.#missing()), this.#job.gather);
    await Promise.race([this.#sayHello(), late.promise]);
    for (const timer of [this.#long, this.#late]) clearTimeout(timer);
    return this.#met.nodeOf();
  }

  /** Says no more hellos, and waits for nobody. */
  end(): void {
    for (const timer of [this.#hellos, this.#long, this.#late]) clearTimeout(timer);
  }

  /** Tells all that `rank` is gone. */
  tellGone(rank: number, error: Error): void {
    const gone: Gone = { kind: "gone", id: this.#met.hello.id, rank, failure: packFailure(error) };
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
    const ranks = this.#met.missing().join(", ");
    return new Error(
      `run "${run}": no word of rank ${ranks} in ${gather} ms: start them, on the same server${refused}`,
    );
  }

  #hear(bytes: Uint8Array): void {
    try {
      const message = this.#controls.decode(bytes);
      if (message.kind === "gone" && this.#met.concerns(message))
        this.#events.onGone(message.rank, unpackFailure(message.failure));
      if (message.kind !== "gone" && message.kind !== "state") this.#answer(message);
    } catch (error) {
      if (!(error instanceof FrameError)) this.#events.onRefused(error as Error);
    }
  }

  #answer(message: Exclude<Control, { kind: "state" | "gone" }> | Stranger): void {
    const news = message.kind === "hello" && !this.#met.knows(message);
    const refusal = this.#met.hear(message);
    const answer = refusal ?? (news ? this.#met.hello : undefined);
    if (answer) this.#link.publish(this.#lobby, this.#controls.encode(answer));
  }
}
