// All that other clients send to the ranks of this process: each stream's parts in order, once each, as pieces of frames.
// What is missing is asked for again; what comes twice is dropped. Holds no data.
import type { Envelope } from "@orthant/core/transport-kit";
import { FrameError, frameBytes, type Part, type PartHeader } from "../protocol/frame.ts";
import { ranksOf } from "../protocol/subjects.ts";

interface Source {
  readonly from: number;
  readonly set: string;
  readonly to: readonly number[];
  /** Number of the part that comes next. */
  next: number;
  /** A later part came: `next` is lost. */
  gap: boolean;
  /** Bytes since the last acknowledgement. */
  unsaid: number;
  /** The frame whose parts arrive: its first part, and bytes and number of those that came. */
  begun: { readonly head: PartHeader; readonly whole: number; at: number; parts: number } | undefined;
  /** Bytes of the frame that comes next, where it was dropped as beyond the credit. */
  beyond: number | undefined;
}

/** What became of a part. */
export type Verdict = "taken" | "duplicate" | "gap" | "beyond";

/** Whether receivers have room for a frame of so many bytes from a rank. */
export type Admit = (from: number, to: readonly number[], bytes: number) => boolean;

/** Streams from one rank, at most: of sets of receivers that share a process. */
const most = 1024;

export class Inflow {
  readonly #size: number;
  readonly #deliver: (envelope: Envelope) => void;
  readonly #admit: Admit;
  readonly #sources = new Map<string, Source>();

  /** `admit` is asked before memory is taken for a frame. */
  constructor(size: number, deliver: (envelope: Envelope) => void, admit: Admit = () => true) {
    this.#size = size;
    this.#deliver = deliver;
    this.#admit = admit;
  }

  /** Begins to listen to a stream, if it did not. Throws a FrameError where there are too many. */
  open(from: number, set: string): void {
    this.#source(from, set);
  }

  /** Takes a part that came to `set`. Throws a FrameError where it does not continue the frame before it. */
  accept(set: string, part: Part): Verdict {
    const source = this.#source(part.from, set);
    if (part.seq === source.next && !this.#room(source, part)) return "beyond";
    source.unsaid += part.data.length;
    if (part.seq < source.next) return "duplicate";
    if (part.seq > source.next) {
      source.gap = true;
      return "gap";
    }
    this.#append(source, part);
    source.next += 1;
    source.gap = false;
    return "taken";
  }

  /** Whether there is room now for a frame from `ranks` that was dropped; its stream then is acknowledged as one with a gap. */
  hasRoom(ranks: ReadonlySet<number>): boolean {
    let found = false;
    for (const source of this.#sources.values()) {
      if (source.beyond === undefined || !ranks.has(source.from)) continue;
      if (!this.#admit(source.from, source.to, source.beyond)) continue;
      source.beyond = undefined;
      source.gap = true;
      found = true;
    }
    return found;
  }

  /** Acknowledges the streams from the ranks in `ranks`: [from, set, parts received in order, 1 where the next is lost]. */
  acks(ranks: ReadonlySet<number>): [number, string, number, number][] {
    const sources = [...this.#sources.values()].filter(({ from }) => ranks.has(from));
    return sources.map((source) => {
      const { from, set, next, gap } = source;
      source.unsaid = 0;
      source.gap = false; // said once for each part that comes too early
      return [from, set, next, gap ? 1 : 0];
    });
  }

  /** Counts the bytes that came from `ranks` since the last acknowledgement. */
  unsaid(ranks: ReadonlySet<number>): number {
    return this.#sources.values().reduce((sum, { from, unsaid }) => sum + (ranks.has(from) ? unsaid : 0), 0);
  }

  #source(from: number, set: string): Source {
    const name = `${from} ${set}`;
    const known = this.#sources.get(name);
    if (known) return known;
    const to = ranksOf(set, this.#size);
    if (to.length === 0) throw new FrameError(`no set of ranks below ${this.#size}`);
    if (this.#sources.size >= most * this.#size) throw new FrameError(`more than ${most} streams a rank`);
    const source: Source = { from, set, to, next: 0, gap: false, unsaid: 0, begun: undefined, beyond: undefined };
    this.#sources.set(name, source);
    return source;
  }

  /** Whether the part goes on with a frame, or the receivers have room for its frame. */
  #room(source: Source, part: PartHeader): boolean {
    const bytes = frameBytes(part);
    const has = source.begun !== undefined || this.#admit(source.from, source.to, bytes);
    source.beyond = has ? undefined : bytes;
    return has;
  }

  #append(source: Source, { data, ...part }: Part): void {
    const begun = source.begun ?? { head: part, whole: frameBytes(part), at: 0, parts: 0 };
    const { head, whole, at, parts } = begun;
    const same = head.key === part.key && head.parts === part.parts && frameBytes(part) === whole;
    const last = part.part === part.parts - 1;
    if (!same || part.part !== parts || (last ? at + data.length !== whole : at + data.length >= whole))
      throw new FrameError(`part ${part.part} of "${part.key}" does not follow part ${parts - 1} of "${head.key}"`);
    begun.at += data.length;
    begun.parts += 1;
    source.begun = last ? undefined : begun;
    const { from, key, dtype, shape } = head;
    this.#deliver({ from, to: source.to, key, frame: { dtype, shape, data }, piece: { at, whole } });
  }
}
