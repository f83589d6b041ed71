// What clients tell each other besides tensors: rendezvous, acknowledgements, credit, who waits, who left. Every message
// says how things stand, never what changed, so that a lost or repeated one does no harm.
import { createSecretKey, type KeyObject } from "node:crypto";
import type { Packr } from "msgpackr";
import { maxFailure } from "./failure.ts";
import { FrameError, isCount, isRank, maxKey, mostRanks, protocol } from "./frame.ts";
import { newPackr, unpack } from "./packed.ts";
import { bodyOf, opened, sealed } from "./sealed.ts";

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
  /** Where it knows all: all clients of its run, itself too. */
  readonly members: readonly string[];
  /** Other clients heard so far: who is in neither list may hear an old message, said again by somebody else. */
  readonly heard: readonly string[];
  /** Ciphers for frames, the fastest here first. */
  readonly ciphers: readonly string[];
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
  /** Clients that it tells: those it heard. */
  readonly heard: readonly string[];
}

/** A launcher's word that it is there, for other launchers. */
export interface Here {
  readonly kind: "here";
  readonly id: string;
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
  /** Parts published more than once, to whomever: so many may come twice. */
  readonly resent: number;
  /** Bytes that you may have on the way to me: fewer where the server cuts me off for being slow. */
  readonly window: number;
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

export type Control = Hello | Refusal | Gone | Here | State;

type Check = (value: unknown) => boolean;
const text: Check = (value) => typeof value === "string" && value.length <= maxKey;
const failure: Check = (value) => typeof value === "string" && value.length <= maxFailure;
const flag: Check = (value) => typeof value === "boolean";
const number: Check = (value) => isCount(value) && value < 2 ** 31;
const word: Check = (value) => isCount(value) && value < 2 ** 32;
const list =
  (item: Check, most = 2 ** 16): Check =>
  (value) =>
    Array.isArray(value) && value.length <= most && value.every(item);
const ranks = list(isRank, mostRanks);
const names = list(text, 4 * mostRanks);
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
    ranks,
    size: (value) => isCount(value) && value <= mostRanks,
    fingerprint: list(tuple(text, text), 256),
    complete: flag,
    members: names,
    heard: names,
    ciphers: list(text, 16),
  },
  refusal: { id: text, reason: text },
  gone: { id: text, rank: isRank, failure, heard: names },
  here: { id: text },
  state: {
    epoch: isCount,
    node: isRank,
    count: number,
    links: number,
    resent: isCount,
    window: number,
    asks: flag,
    waiting: ranks,
    consumed: list(tuple(isRank, isRank, word)),
    acks: list(tuple(isRank, text, isCount, number)),
    opens: list(tuple(isRank, text)),
    left: ranks,
    seen: ranks,
    last: list(tuple(isRank, text)),
  },
};

/** Codes the messages of one key: those of the lobby, or those to one client. */
export class ControlCodec {
  readonly #packr: Packr = newPackr();
  readonly #key: KeyObject | undefined;

  /** Makes a codec; without a key no message has a tag. */
  constructor(key?: Uint8Array) {
    this.#key = key && createSecretKey(key);
  }

  encode(message: Control): Uint8Array {
    const names = Object.keys(fields[message.kind] as object) as (keyof typeof message)[];
    return sealed(this.#key, this.#packr.pack([protocol, message.kind, ...names.map((name) => message[name])]));
  }

  /** Reads a message. Throws a SecretError where its tag is not of this key, a FrameError where it is not one of these. */
  decode(bytes: Uint8Array): Control | Stranger {
    return this.#read(opened(this.#key, bytes));
  }

  /** Reads what a message claims to be, whoever made it; undefined where it claims nothing. */
  claimed(bytes: Uint8Array): Control | Stranger | undefined {
    try {
      return this.#read(bodyOf(bytes));
    } catch {
      return undefined;
    }
  }

  #read(bytes: Uint8Array): Control | Stranger {
    const value = unpack(this.#packr, bytes);
    if (!Array.isArray(value) || !isCount(value[0])) throw new FrameError("not a control message");
    const [version, kind, ...values] = value as [number, ...unknown[]];
    if (version !== protocol) return { kind: "stranger", id: String(values[0]).slice(0, 64), version };
    const checks = typeof kind === "string" && Object.hasOwn(fields, kind) ? Object.entries(fields[kind]!) : [];
    if (checks.length === 0 || checks.length !== values.length || !checks.every(([, check], i) => check(values[i])))
      throw new FrameError("a control message of a wrong form");
    return Object.fromEntries([["kind", kind], ...checks.map(([name], i) => [name, values[i]])]) as unknown as Control;
  }
}
