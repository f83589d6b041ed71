// How the clients of a run find each other: everybody says hello in the lobby until all know all. Of two that disagree,
// the one already complete stays; of two that claim one rank, the one that started first, until all are complete; where
// they start in the same instant it may be neither, never both. Who must go is told why. A hello counts for those whom it
// names as heard: one of an earlier run, said again, names nobody who lives. Pure: no server.

import { type Cipher, cipherOf } from "../protocol/cipher.ts";
import type { Gone, Hello, Refusal, Stranger } from "../protocol/control.ts";
import { showEpoch } from "../protocol/epoch.ts";
import { FrameError, protocol } from "../protocol/frame.ts";

type Heard = Hello | Refusal | Stranger;

const show = (ranks: readonly number[]): string => `rank${ranks.length === 1 ? "" : "s"} ${ranks.join(", ")}`;

/** Why `own` and `other` cannot be in one run, whatever their ranks; `other` is told. */
function disagreement(own: Hello, other: Hello): string | undefined {
  if (other.epoch !== own.epoch)
    return `run "${own.run}" is in epoch ${showEpoch(own.epoch)}, this client says ${showEpoch(other.epoch)}`;
  if (other.size !== own.size) return `run "${own.run}" has ${own.size} ranks, this client says ${other.size}`;
  const [mine, theirs] = [new Map(own.fingerprint), new Map(other.fingerprint)];
  const name = [...mine.keys(), ...theirs.keys()].find((each) => mine.get(each) !== theirs.get(each));
  if (name === undefined) return undefined;
  const [there, here] = [mine, theirs].map((said) => said.get(name) ?? "not given");
  return `${name} is ${there} with ${show(own.ranks)}, ${here} here: start every rank with the same script and version`;
}

/** Whether `a` stays, of two that cannot both be right. Everybody must see it alike, so it rests on what the two say. */
const goesBefore = (a: Hello, b: Hello): boolean => (a.complete === b.complete ? a.id < b.id : a.complete);

const claimed = (run: string, ranks: readonly number[], over: boolean): string =>
  `run "${run}" ${over ? "goes on with its own" : "already has"} ${show(ranks)}: give each run a name of its own`;

/** Whether a word that a rank ended is of the run that those who said `hellos` are: another run may have its name. */
export function concerns(hellos: Iterable<Hello>, { id, rank }: Gone): boolean {
  const all = [...hellos];
  return all.some((hello) => hello.id === id || hello.launch === id) || !all.some(({ ranks }) => ranks.includes(rank));
}

/** What all clients of a run know once they have met. */
export interface Meeting {
  /** Name of the client that a rank lives in: its lowest rank, by rank. */
  readonly nodeOf: readonly number[];
  /** Random name of each client, by its lowest rank. */
  readonly ids: ReadonlyMap<number, string>;
  readonly cipher: Cipher;
}

/** What a hello says of the others. */
type Told = "complete" | "members" | "heard";

/** Whether who says `hello` heard the client `id`. */
const names = ({ members, heard }: Hello, id: string): boolean => heard.includes(id) || members.includes(id);

/** Names heard of clients that are not admitted, at most, beside one a rank; and reasons of refusals. */
const most = 64;

function checkRanks({ ranks, size }: Hello): void {
  const wrong = ranks.find((rank, i) => rank >= size || ranks.indexOf(rank) < i);
  if (wrong !== undefined || ranks.length === 0) throw new FrameError(`ranks [${ranks.slice(0, 8)}] of ${size}`);
}

export class Rendezvous {
  readonly #known = new Map<string, Hello>();
  readonly #own: Omit<Hello, Told>;
  /** Clients heard, the last one last: they are named in what this one says. */
  readonly #heard = new Set<string>();
  /** The last of those with another secret. */
  #strangers: readonly string[] = [];
  /** Why others were refused. */
  readonly refused = new Set<string>();

  constructor(own: Omit<Hello, Told | "kind">) {
    this.#own = { kind: "hello", ...own };
    this.#known.set(own.id, this.hello);
  }

  /** What this client says of itself. */
  get hello(): Hello {
    const complete = this.missing().length === 0;
    const members = complete ? [...this.#known.keys()] : [];
    return { ...this.#own, complete, members, heard: this.heard.filter((id) => !members.includes(id)) };
  }

  /** Lists the clients that may take this one's word for new. */
  get heard(): string[] {
    const all = new Set([...this.#known.keys(), ...this.#heard, ...this.#strangers]);
    return [...all].filter((id) => id !== this.#own.id);
  }

  /** Names a client of another secret in what this one says from now on: it may take that as an answer. */
  noteStranger(id: string): void {
    this.#strangers = [...this.#strangers.filter((other) => other !== id), id].slice(-8);
  }

  /** Lists the ranks that nobody said hello for. */
  missing(): number[] {
    const here = new Set([...this.#known.values()].flatMap(({ ranks }) => ranks));
    return Array.from({ length: this.#own.size }, (_, rank) => rank).filter((rank) => !here.has(rank));
  }

  /** Whether nothing new is in `hello`, and nothing in it needs an answer. */
  knows(hello: Hello): boolean {
    return this.#known.has(hello.id) && names(hello, this.#own.id) && (hello.complete || this.missing().length > 0);
  }

  /** Whether every client knows every rank. */
  get over(): boolean {
    const others = [...this.#known.values()].filter(({ id }) => id !== this.#own.id);
    return this.missing().length === 0 && others.every(({ members }) => members.includes(this.#own.id));
  }

  /** Tells who lives where. Throws where the runtimes have no cipher in common. */
  meeting(): Meeting {
    const nodeOf: number[] = [];
    const known = [...this.#known.values()];
    for (const { ranks } of known) for (const rank of ranks) nodeOf[rank] = Math.min(...ranks);
    const ids = new Map(known.map(({ id, ranks }) => [Math.min(...ranks), id]));
    return { nodeOf, ids, cipher: cipherOf(known.map(({ ciphers }) => ciphers)) };
  }

  /** Whether a word that a rank ended is of this run, and new. */
  concerns(gone: Gone): boolean {
    return gone.heard.includes(this.#own.id) && concerns(this.#known.values(), gone);
  }

  /**
   * Hears a message; returns what to answer. Throws where this client itself is refused, a FrameError where ranks are named
   * that there are not.
   */
  hear(message: Heard): Refusal | undefined {
    if (message.id === this.#own.id) return this.#told(message);
    if (message.kind === "refusal") this.#known.delete(message.id); // it ends: its ranks are free again
    if (message.kind === "refusal") return undefined;
    if (message.kind === "stranger")
      return this.#refuse(message.id, `protocol ${message.version}, this run speaks ${protocol}: install one version`);
    if (message.run !== this.#own.run) return undefined;
    this.#note(message.id);
    if (!names(message, this.#own.id)) return undefined; // said once more when it heard this one's
    checkRanks(message);
    const reason = disagreement(this.hello, message);
    if (reason === undefined) return this.#admit(message);
    if (this.#stays(message)) return this.#refuse(message.id, reason);
    throw new Error(`refused: ${disagreement(message, this.hello) ?? reason}`);
  }

  #note(id: string): void {
    this.#heard.delete(id);
    this.#heard.add(id);
    const [oldest] = this.#heard;
    if (this.#heard.size > this.#own.size + most && oldest !== undefined) this.#heard.delete(oldest);
  }

  #admit(other: Hello): Refusal | undefined {
    const overlaps = ({ ranks }: Hello): boolean => ranks.some((rank) => other.ranks.includes(rank));
    const rival = [...this.#known.values()].find((known) => known.id !== other.id && overlaps(known));
    if (rival && (this.over || goesBefore(this.#asNow(rival), other)))
      return this.#refuse(other.id, claimed(other.run, rival.ranks, this.over));
    if (rival?.id === this.#own.id) throw new Error(`refused: ${claimed(other.run, other.ranks, other.complete)}`);
    if (this.missing().length > 0 && this.#isWithout(other)) return undefined; // its run is none of this client's
    if (rival) this.#known.delete(rival.id);
    this.#known.set(other.id, other);
    return undefined;
  }

  /** Whether all ranks of the run that `other` is in are others'. */
  #isWithout({ complete, members }: Hello): boolean {
    return complete && !members.includes(this.#own.id);
  }

  /** Nobody refuses a client whose run goes on. */
  #told(message: Heard): undefined {
    if (message.kind === "refusal" && !this.over) throw new Error(`refused: ${message.reason}`);
  }

  #refuse(id: string, reason: string): Refusal {
    if (this.refused.size < most) this.refused.add(reason);
    return { kind: "refusal", id, reason };
  }

  #asNow(known: Hello): Hello {
    return known.id === this.#own.id ? this.hello : known;
  }

  /** Whether this client stays and `other` goes; the later epoch stays: the earlier is over. */
  #stays(other: Hello): boolean {
    const own = this.hello;
    return own.epoch === other.epoch ? this.over || goesBefore(own, other) : own.epoch > other.epoch;
  }
}
