// Messages that came a second time, and what explains them: senders say how many parts they sent twice, and at a new
// connection some may be delivered over both. The rest somebody else plays again. Counts only: they were dropped already.
import type { Refusals } from "./refusals.ts";

/** Messages of a kind that a new connection explains. */
const perLink = 64;

/** What is known of the run when it is looked at. */
export interface Explained {
  /** Parts that came twice, and those that their senders sent twice. */
  readonly duplicates: number;
  readonly resent: number;
  /** New connections, of anybody. */
  readonly links: number;
}

export class Replays {
  readonly #refusals: Refusals;
  /** Old states heard. */
  #states = 0;
  /** Frames without an explanation when this looked last; what of each kind was counted. */
  #pending = 0;
  #frames = 0;
  #told = 0;

  constructor(refusals: Refusals) {
    this.#refusals = refusals;
  }

  /** Hears a state that is older than one heard before. */
  oldState(): void {
    this.#states += 1;
  }

  /**
   * Counts what nothing explains. What senders say of themselves may come after their parts: of frames, only those count
   * that already had no explanation a look before.
   */
  look({ duplicates, resent, links }: Explained): void {
    const frames = duplicates - resent - perLink * links;
    const moreFrames = Math.min(frames, this.#pending) - this.#frames;
    const moreStates = this.#states - perLink * links - this.#told;
    this.#pending = frames;
    if (moreFrames > 0) {
      this.#frames += moreFrames;
      this.#refusals.count(
        "frames played again",
        "it was there before, and its sender did not send it twice",
        moreFrames,
      );
    }
    if (moreStates > 0) {
      this.#told += moreStates;
      this.#refusals.count("old states", "it was said before", moreStates);
    }
  }
}
