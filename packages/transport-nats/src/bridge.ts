// The client's work once the ranks have met: between the rings of this process's threads and the subjects of the server.
// To the threads it looks like one more thread of theirs, home of every rank that lives elsewhere; the board of credit,
// waits and closings mirrors what the other clients say of those ranks.
import { Board, type Heading } from "@orthant/core/transport-kit";
import { ControlCodec, type State } from "./control.ts";
import { FrameCodec, FrameError } from "./frame.ts";
import { Inflow } from "./inflow.ts";
import { type ClientJob, clientThread } from "./job.ts";
import { Ledger } from "./ledger.ts";
import type { Link } from "./link.ts";
import { Outflow } from "./outflow.ts";
import { Peer } from "./peer.ts";
import { Rings } from "./rings.ts";
import { Shared } from "./shared.ts";
import { ranksOf, type Subjects, setOf } from "./subjects.ts";

/** ms without acknowledgement after which parts are sent again, at first. */
const retryAfter = 1000;
/** ms between two looks at what changed without a bell. */
export const tickEvery = 10;
/** Bytes taken from a ring before the sockets get their turn. */
const bite = 2 ** 20;
/** Bytes taken from the rings before they are published, at most and a bite: what lies there longer falls out of the caches. */
const ahead = 2 ** 22;

export class Bridge {
  readonly peers: ReadonlyMap<number, Peer>;
  readonly board: Board;
  readonly shared: Shared;
  readonly outflow: Outflow;
  /** Why the last message was refused. */
  refusal = "";
  readonly #job: ClientJob;
  readonly #link: Link;
  readonly #subjects: Subjects;
  readonly #nodeOf: readonly number[];
  readonly #node: number;
  readonly #own: ReadonlySet<number>;
  /** Ranks of this process whose last frame is acknowledged. */
  readonly #left = new Set<number>();
  readonly #ledger: Ledger;
  readonly #inflow: Inflow;
  readonly #rings: Rings;
  readonly #frames = new FrameCodec();
  readonly #controls = new ControlCodec();
  /** Sets subscribed to. */
  readonly #sets: Set<string>;
  /** Something may be left in the rings. */
  #unread = false;

  constructor(job: ClientJob, link: Link, subjects: Subjects, nodeOf: readonly number[]) {
    const { run, epoch, size, window, wiring } = job;
    this.#job = job;
    this.#link = link;
    this.#subjects = subjects;
    this.#nodeOf = nodeOf;
    this.#own = new Set(job.ranks);
    this.#sets = new Set(job.ranks.map((rank) => setOf([rank]))); // before all met
    this.#node = Math.min(...job.ranks);
    this.board = new Board(wiring.board, wiring.home, wiring.credit);
    this.shared = new Shared(job.shared, size);
    this.#ledger = new Ledger(this.board, this.shared, job.ranks);
    this.#rings = new Rings(job, this.board, (heading, length) => this.#take(heading, length));
    this.#inflow = new Inflow(size, (parcel) => this.#rings.deliver(parcel));
    const publish = (subject: string, bytes: Uint8Array): void => {
      if (link.publish(subject, bytes)) this.shared.count("published");
    };
    const unread = (): boolean => this.#unread;
    const { maxPayload } = link;
    this.outflow = new Outflow({ run, epoch, size, subjects, maxPayload, window, nodeOf, publish, unread });
    const nodes = Map.groupBy(nodeOf.keys(), (rank) => nodeOf[rank] as number);
    nodes.delete(this.#node);
    this.peers = new Map([...nodes].map(([node, ranks]) => [node, new Peer(node, ranks)]));
  }

  /** Frames on the subject of `set`. */
  hearFrame(set: string, bytes: Uint8Array): void {
    try {
      const part = this.#frames.decode(bytes, this.#job);
      const peer = this.peers.get(this.#nodeOf[part.from] ?? -1);
      if (part.run !== this.#job.run || part.epoch !== this.#job.epoch || !peer || peer.left.has(part.from))
        throw new FrameError(`rank ${part.from} in epoch ${part.epoch} of "${part.run}" is not of this run`);
      this.#count(this.#inflow.accept(set, part), peer);
    } catch (error) {
      this.#refuse(error);
    }
  }

  hearState(bytes: Uint8Array): void {
    try {
      const state = this.#controls.decode(bytes);
      if (state.kind !== "state" || state.epoch !== this.#job.epoch) throw new FrameError("not of this epoch");
      const peer = this.peers.get(state.node);
      if (peer?.hear(state)) this.#learn(peer, state);
    } catch (error) {
      this.#refuse(error);
    }
  }

  /** Moves all that can move now. */
  turn(): void {
    this.#unread = this.outflow.ahead >= ahead || this.#rings.read(bite);
    this.#rings.flush();
    this.#pump();
    for (const peer of this.peers.values()) {
      if (peer.lacks(this.#ledger.words(peer.ranks), this.#ledger.waiting(), this.#job.wiring.credit / 64))
        peer.due = "now";
      if (peer.due === "now") this.tell(peer);
    }
  }

  /** Looks at what rings no bell. */
  tick(now: number): void {
    if (this.#link.up) this.shared.count("resent", this.outflow.retry(now, retryAfter));
    this.turn();
    for (const peer of this.peers.values()) {
      const asked = peer.asking;
      peer.stuck = this.#ledger.sends([...peer.ranks].filter((rank) => !peer.left.has(rank))) ? peer.stuck + 1 : 0;
      if (peer.due || peer.asking || asked) this.tell(peer);
    }
  }

  /** How things stand, to one client. */
  tell(peer: Peer): void {
    const waiting = this.#ledger.waiting();
    const state: State = {
      kind: "state",
      epoch: this.#job.epoch,
      node: this.#node,
      count: peer.tell(this.#ledger.words(peer.ranks), waiting),
      links: this.shared.counts().reconnects,
      asks: peer.asking,
      waiting,
      consumed: this.#ledger.consumed(peer.ranks).filter(([, , words]) => words > 0),
      acks: this.#inflow.acks(peer.ranks),
      opens: this.outflow.unopened(peer.node),
      left: [...this.#left],
      seen: [...peer.left],
      last: this.#job.ranks.map((rank) => [rank, this.shared.latest(rank)]),
    };
    this.#link.publish(this.#subjects.state(peer.node), this.#controls.encode(state));
  }

  /** Own `rank` is done: the others may stop waiting for it. */
  leave(rank: number): void {
    if (this.#left.has(rank)) return;
    this.#left.add(rank);
    for (const peer of this.peers.values()) peer.due = "now";
  }

  /** `rank`, elsewhere, will send nothing more. */
  end(peer: Peer, rank: number, reason: string): void {
    if (peer.left.has(rank)) return;
    peer.left.add(rank);
    peer.due = "now";
    this.shared.setReason(rank, reason);
    if (peer.gone) this.outflow.drop(peer.node);
    void this.#rings.delivered(rank).then(() => this.board.close(rank));
  }

  /** Memory for what a thread sends. */
  *#take(heading: Heading, length: number): Generator<Uint8Array, void> {
    const peers = new Map(heading.to.map((rank) => [rank, this.peers.get(this.#nodeOf[rank] as number) as Peer]));
    const to = heading.to.filter((rank) => !peers.get(rank)?.left.has(rank));
    if (to.length === 0) return void (length > 0 && (yield new Uint8Array(length)));
    const parts = this.outflow.take({ ...heading, to }, length);
    for (const peer of peers.values()) if (this.outflow.unopened(peer.node).length > 0) peer.due = "now";
    yield* parts;
  }

  #learn(peer: Peer, state: State): void {
    const now = performance.now();
    this.shared.setAsked([...this.peers.values()].some(({ asks }) => asks));
    for (const [from, set] of state.opens) if (peer.ranks.has(from)) this.#open(peer, from, set);
    for (const [from, set, parts, gap] of state.acks)
      this.outflow.acknowledge(peer.node, from, set, parts, gap === 1, now);
    if (peer.linked(state)) this.outflow.rewind(now, peer.node);
    peer.mirror(state, this.board, this.shared, this.#own);
    for (const rank of state.left)
      if (peer.ranks.has(rank)) this.end(peer, rank, `rank ${rank} closed (${this.shared.lastSeen(rank)})`);
    this.#pump();
  }

  #open(peer: Peer, from: number, set: string): void {
    if (!ranksOf(set, this.#job.size).some((rank) => this.#own.has(rank))) return;
    this.listen(set);
    this.#inflow.open(from, set);
    peer.due = "now";
    this.board.wake(clientThread(this.#job));
  }

  /** Subscribes to what goes to `set`, once. */
  listen(set: string): void {
    if (this.#sets.has(set)) return;
    this.#sets.add(set);
    this.#link.subscribe(this.#subjects.data(set, "*"), (bytes) => this.hearFrame(set, bytes));
  }

  #count(verdict: ReturnType<Inflow["accept"]>, peer: Peer): void {
    peer.missed = 0;
    this.shared.count(verdict === "taken" ? "received" : verdict === "gap" ? "gaps" : "duplicates");
    const much = verdict === "gap" || this.#inflow.unsaid(peer.ranks) > this.#job.window / 8;
    if (much && peer.due !== "now") this.board.wake(clientThread(this.#job));
    peer.due = much ? "now" : (peer.due ?? "soon");
  }

  #pump(): void {
    if (this.#link.up) this.outflow.pump(performance.now());
    if (this.#unread && this.outflow.ahead < ahead) this.board.wake(clientThread(this.#job));
  }

  #refuse(error: unknown): void {
    if (!(error instanceof FrameError)) throw error;
    this.shared.count("refused");
    this.refusal = error.message;
  }
}
