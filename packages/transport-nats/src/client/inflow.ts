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
}

/** What became of a part. */
export type Verdict = "taken" | "duplicate" | "gap";

export class Inflow {
  readonly #size: number;
  readonly #deliver: (envelope: Envelope) => void;
  readonly #sources = new Map<string, Source>();

  constructor(size: number, deliver: (envelope: Envelope) => void) {
    this.#size = size;
    this.#deliver = deliver;
  }

  /** Begins to listen to a stream, if it did not. */
  open(from: number, set: string): void {
    this.#source(from, set);
  }

  /** Takes a part that came to `set`. Throws a FrameError where it does not continue the frame before it. */
  accept(set: string, part: Part): Verdict {
    const source = this.#source(part.from, set);
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
    const source: Source = { from, set, to, next: 0, gap: false, unsaid: 0, begun: undefined };
    this.#sources.set(name, source);
    return source;
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
