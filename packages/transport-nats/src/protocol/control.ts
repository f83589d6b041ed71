// What clients tell each other besides tensors: rendezvous, acknowledgements, credit, who waits, who left. Every message
// says how things stand, never what changed, so that a lost or repeated one does no harm.
import type { Packr } from "msgpackr";
import { maxFailure } from "./failure.ts";
import { FrameError, isCount, maxKey, protocol } from "./frame.ts";
import { newPackr, unpack } from "./packed.ts";

/** Said in the lobby of a run, by each client until all have met. */
export interface Hello {
  readonly kind: "hello";
  /** Names the client; an earlier start sorts first. */
  readonly id: string;
  /** Names the launcher that started it; "" where none did. */
  readonly launch: string;
  readonly run: string;
  readonly epoch: number;
  readonly ranks: readonly number[];
  readonly size: number;
  /** What all ranks must agree on: [name, value]. */
  readonly fingerprint: readonly (readonly [name: string, value: string])[];
  /** Knows all ranks. */
  readonly complete: boolean;
}

export interface Refusal {
  readonly kind: "refusal";
  readonly id: string;
  readonly reason: string;
}

/** A client's or a launcher's word that a rank ended. */
export interface Gone {
  readonly kind: "gone";
  /** The client, or the launcher, that says so. */
  readonly id: string;
  readonly rank: number;
  /** Why, as `packFailure` makes it. */
  readonly failure: string;
}

/** From one client to another, each named by its lowest rank. */
export interface State {
  readonly kind: "state";
  readonly epoch: number;
  readonly node: number;
  /** Counts the messages of this sender to this receiver: an older one is dropped. */
  readonly count: number;
  /** Times that it connected again. */
  readonly links: number;
  /** Sends here wait for credit with the receiver: tell me at once what changes. */
  readonly asks: boolean;
  /** My ranks that wait for something. */
  readonly waiting: readonly number[];
  /** [your rank, my rank, words of 8 bytes consumed, modulo 2^32]. */
  readonly consumed: readonly (readonly [from: number, to: number, words: number])[];
  /** [your rank, set, parts received in order, 1 where one is missing after them]. */
  readonly acks: readonly (readonly [from: number, set: string, parts: number, gap: number])[];
  /** Streams that I shall send on once you acknowledge them. */
  readonly opens: readonly (readonly [from: number, set: string])[];
  /** My ranks that closed, all they sent being acknowledged. */
  readonly left: readonly number[];
  /** Your ranks that I know to have closed. */
  readonly seen: readonly number[];
  /** [my rank, the key it last sent or asked for]. */
  readonly last: readonly (readonly [rank: number, key: string])[];
}

/** A client of another protocol version. */
export interface Stranger {
  readonly kind: "stranger";
  readonly id: string;
  readonly version: number;
}

export type Control = Hello | Refusal | Gone | State;

type Check = (value: unknown) => boolean;
const text: Check = (value) => typeof value === "string" && value.length <= maxKey;
const failure: Check = (value) => typeof value === "string" && value.length <= maxFailure;
const flag: Check = (value) => typeof value === "boolean";
const list =
  (item: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(item);
const tuple =
  (...items: Check[]): Check =>
  (value) =>
    Array.isArray(value) && value.length === items.length && items.every((check, i) => check(value[i]));

/** The fields on the wire, in order, after version and kind. */
const fields: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  hello: {
    id: text,
    launch: text,
    run: text,
    epoch: isCount,
    ranks: list(isCount),
    size: isCount,
    fingerprint: list(tuple(text, text)),
    complete: flag,
  },
  refusal: { id: text, reason: text },
  gone: { id: text, rank: isCount, failure },
  state: {
    epoch: isCount,
    node: isCount,
    count: isCount,
    links: isCount,
    asks: flag,
    waiting: list(isCount),
    consumed: list(tuple(isCount, isCount, isCount)),
    acks: list(tuple(isCount, text, isCount, isCount)),
    opens: list(tuple(isCount, text)),
    left: list(isCount),
    seen: list(isCount),
    last: list(tuple(isCount, text)),
  },
};

export class ControlCodec {
  readonly #packr: Packr = newPackr();

  encode(message: Control): Uint8Array {
    const names = Object.keys(fields[message.kind] as object) as (keyof typeof message)[];
    return new Uint8Array(this.#packr.pack([protocol, message.kind, ...names.map((name) => message[name])]));
  }

  /** Reads a message. Throws a FrameError where it is not one of these. */
  decode(bytes: Uint8Array): Control | Stranger {
    const value = unpack(this.#packr, bytes);
    if (!Array.isArray(value) || !isCount(value[0])) throw new FrameError("not a control message");
    const [version, kind, ...values] = value as [number, ...unknown[]];
    if (version !== protocol) return { kind: "stranger", id: String(values[0]), version };
    const checks = typeof kind === "string" && Object.hasOwn(fields, kind) ? Object.entries(fields[kind]!) : [];
    if (checks.length === 0 || checks.length !== values.length || !checks.every(([, check], i) => check(values[i])))
      throw new FrameError("a control message of a wrong form");
    return Object.fromEntries([["kind", kind], ...checks.map(([name], i) => [name, values[i]])]) as unknown as Control;
  }
}
