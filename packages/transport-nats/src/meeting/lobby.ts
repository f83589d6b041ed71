// A run's lobby for who has no rank in it: a launcher says that a rank of its own ended, and hears what others say.

import { LostRankError } from "@orthant/core/transport-kit";
import type { LinkOptions } from "../connection/dial.ts";
import { Link } from "../connection/link.ts";
import { ControlCodec, type Hello } from "../protocol/control.ts";
import { packFailure, unpackFailure } from "../protocol/failure.ts";
import { FrameError } from "../protocol/frame.ts";
import { subjectsOf } from "../protocol/subjects.ts";
import { concerns } from "./rendezvous.ts";

/** ms after which a word is said again: a rank that comes late must hear it too. */
const repeatEvery = 500;

type HearGone = (rank: number, failure: Error) => void;

export interface LobbyOptions extends LinkOptions {
  readonly run: string;
  /** A name of one's own, which the ranks that one starts are given too. */
  readonly launch: string;
}

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
  close(): Promise<void>;
}

/** Rejects in one line where there is no server or it refuses the credentials. */
export async function openLobby({ run, launch, ...options }: LobbyOptions): Promise<Lobby> {
  const { lobby } = subjectsOf(run, 0);
  const controls = new ControlCodec();
  const link = await Link.open(options, () => {});
  const said: Uint8Array[] = [];
  const repeat = (): void => {
    for (const message of said) link.publish(lobby, message);
  };
  const timer = setInterval(repeat, repeatEvery).unref();
  void link.watch({ onUp: repeat, onDown: () => {} });
  return {
    maxPayload: link.maxPayload,
    gone(rank, reason) {
      const failure = packFailure(new LostRankError({ rank, reason }));
      said.push(controls.encode({ kind: "gone", id: launch, rank, failure }));
      repeat(); // in order: who hears the lobby only from now on must learn who was first
    },
    onGone: (hear) => link.subscribe(lobby, new Ear(hear).listen),
    close() {
      clearInterval(timer);
      return link.close();
    },
  };
}

/** Hears who ended, of the run whose clients said hello and were not refused. */
class Ear {
  readonly #hear: HearGone;
  readonly #controls = new ControlCodec();
  readonly #hellos = new Map<string, Hello>();
  readonly #refused = new Set<string>();

  constructor(hear: HearGone) {
    this.#hear = hear;
  }

  readonly listen = (bytes: Uint8Array): void => {
    try {
      const message = this.#controls.decode(bytes);
      if (message.kind === "hello" && !this.#refused.has(message.id)) this.#hellos.set(message.id, message);
      if (message.kind === "refusal") this.#refused.add(message.id);
      if (message.kind === "refusal") this.#hellos.delete(message.id);
      if (message.kind === "gone" && concerns(this.#hellos.values(), message))
        this.#hear(message.rank, unpackFailure(message.failure));
    } catch (error) {
      if (!(error instanceof FrameError)) throw error; // somebody else's: the ranks count them
    }
  };
}
