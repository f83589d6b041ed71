// How the clients of a run find each other: everybody says hello in the lobby until all know all. Of two that cannot both
// be right, the one already complete stays, else the one that started first; the other is told why. Pure: no server.
import type { Gone, Hello, Refusal, Stranger } from "./control.ts";
import { protocol } from "./frame.ts";

type Heard = Hello | Refusal | Stranger | Gone;

const show = (ranks: readonly number[]): string => `rank${ranks.length === 1 ? "" : "s"} ${ranks.join(", ")}`;

/** Why `own` and `other` cannot be in one run; `other` is told. */
function conflict(own: Hello, other: Hello, known: readonly Hello[]): string | undefined {
  if (other.epoch !== own.epoch) return `run "${own.run}" is in epoch ${own.epoch}, this client says ${other.epoch}`;
  if (other.size !== own.size) return `run "${own.run}" has ${own.size} ranks, this client says ${other.size}`;
  if (other.fingerprint !== own.fingerprint)
    return `another plan, model or version than ${show(own.ranks)}: start every rank with the same script and options`;
  const taken = known.find(({ id, ranks }) => id !== other.id && ranks.some((rank) => other.ranks.includes(rank)));
  if (!taken) return undefined;
  const what = own.complete ? `run "${own.run}" goes on with its own` : `run "${own.run}" already has`;
  return `${what} ${show(taken.ranks)}: give each run a name of its own`;
}

export class Rendezvous {
  readonly #known = new Map<string, Hello>();
  readonly #own: Omit<Hello, "complete">;
  /** Why others were refused. */
  readonly refused = new Set<string>();

  constructor(own: Omit<Hello, "complete" | "kind">) {
    this.#own = { kind: "hello", ...own };
    this.#known.set(own.id, this.hello);
  }

  get hello(): Hello {
    return { ...this.#own, complete: this.missing().length === 0 };
  }

  /** Ranks nobody said hello for. */
  missing(): number[] {
    const here = new Set([...this.#known.values()].flatMap(({ ranks }) => ranks));
    return Array.from({ length: this.#own.size }, (_, rank) => rank).filter((rank) => !here.has(rank));
  }

  /** Nothing new is in `hello`, and nothing in it needs an answer. */
  knows({ id, complete }: Hello): boolean {
    return this.#known.has(id) && (complete || this.missing().length > 0);
  }

  /** Every client knows every rank. */
  get over(): boolean {
    const others = [...this.#known.values()].filter(({ id }) => id !== this.#own.id);
    return this.missing().length === 0 && others.every(({ complete }) => complete);
  }

  /** The lowest rank of each rank's client. */
  nodeOf(): number[] {
    const nodes: number[] = [];
    for (const { ranks } of this.#known.values()) for (const rank of ranks) nodes[rank] = Math.min(...ranks);
    return nodes;
  }

  /** Returns what to answer. Throws where this client itself is refused. */
  hear(message: Heard): Refusal | undefined {
    if (message.kind === "gone" || message.id === this.#own.id) return this.#told(message);
    if (message.kind === "refusal") return undefined;
    if (message.kind === "stranger")
      return this.#refuse(message.id, `protocol ${message.version}, this run speaks ${protocol}: install one version`);
    const reason = message.run === this.#own.run ? conflict(this.hello, message, [...this.#known.values()]) : undefined;
    if (reason === undefined) this.#known.set(message.id, message);
    else if (this.#stays(message)) return this.#refuse(message.id, reason);
    else throw new Error(`refused: ${conflict(message, this.hello, [message]) ?? reason}`);
    return undefined;
  }

  #told(message: Heard): undefined {
    if (message.kind === "refusal") throw new Error(`refused: ${message.reason}`);
  }

  #refuse(id: string, reason: string): Refusal {
    this.refused.add(reason);
    return { kind: "refusal", id, reason };
  }

  /** Of another epoch, the later one stays: the earlier is over. */
  #stays(other: Hello): boolean {
    const own = this.hello;
    if (own.epoch !== other.epoch) return own.epoch > other.epoch;
    if (own.complete !== other.complete) return own.complete;
    const taken = [...this.#known.values()].filter(({ ranks }) => ranks.some((rank) => other.ranks.includes(rank)));
    return taken.some(({ id }) => id < other.id) || own.id < other.id;
  }
}
