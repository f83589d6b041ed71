// The client's work once the ranks have met: frames move, and clients tell each other how things stand. To the threads of
// this process it looks like one more thread of theirs, home of every rank that lives elsewhere; the counters of credit,
// waits and closings mirror what the other clients say of those ranks.
import { Counters, LostRankError } from "@orthant/core/transport-kit";
import type { Link } from "../connection/link.ts";
import { type ClientJob, clientThread } from "../job.ts";
import type { Meeting } from "../meeting/rendezvous.ts";
import { ControlCodec, type State } from "../protocol/control.ts";
import { FrameError } from "../protocol/frame.ts";
import { SecretError } from "../protocol/sealed.ts";
import { keyOf } from "../protocol/secret.ts";
import { ranksOf, type Subjects } from "../protocol/subjects.ts";
import { Shared } from "../shared.ts";
import { Grant } from "./grant.ts";
import { Ledger } from "./ledger.ts";
import type { Outflow } from "./outflow.ts";
import { Peer } from "./peer.ts";
import { claimOf, type Refusals } from "./refusals.ts";
import { Replays } from "./replays.ts";
import { Traffic } from "./traffic.ts";

/** ms without acknowledgement after which parts are sent again, at first. */
const retryAfter = 2000;
/** ms between two looks at what changed without a bell, where much moves or somebody waits, and where not: each wakes a thread. */
const [tickSoon, tickLater] = [10, 50];
/** Bytes moved between two looks that are much. */
const much = 2 ** 20;
/** ms between acknowledgements that nobody waits for: each costs a message, and few bytes are kept for it meanwhile. */
const acknowledgeEvery = 500;

export class Bridge {
  readonly peers: ReadonlyMap<number, Peer>;
  readonly counters: Counters;
  readonly shared: Shared;
  /** What may be on the way to this process from each other. */
  readonly grant: Grant;
  readonly #job: ClientJob;
  readonly #link: Link;
  readonly #subjects: Subjects;
  /** The name of this client: its lowest rank. */
  readonly #node: number;
  readonly #own: ReadonlySet<number>;
  /** Ranks of this process whose last frame is acknowledged. */
  readonly #left = new Set<number>();
  readonly #ledger: Ledger;
  readonly #traffic: Traffic;
  readonly #refusals: Refusals;
  readonly #replays: Replays;
  readonly #controls: ControlCodec;
  /** Codecs by client: what one is told is sealed for it alone. */
  readonly #toPeers: ReadonlyMap<number, ControlCodec>;
  /** ms; when what nobody waits for was acknowledged last. */
  #acknowledged = 0;
  /** Bytes moved up to the last look. */
  #moved = 0;

  constructor(job: ClientJob, link: Link, subjects: Subjects, meeting: Meeting, refusals: Refusals) {
    const { nodeOf, ids } = meeting;
    this.#job = job;
    this.#refusals = refusals;
    this.#replays = new Replays(refusals);
    this.grant = new Grant(job.window);
    this.#link = link;
    this.#subjects = subjects;
    this.#own = new Set(job.ranks);
    this.#node = Math.min(...job.ranks);
    this.counters = new Counters(job.wiring.counters, job.wiring.home, job.wiring.credit);
    this.shared = new Shared(job.shared, job.size);
    this.#ledger = new Ledger(this.counters, this.shared, job.ranks);
    const nodes = Map.groupBy(nodeOf.keys(), (rank) => nodeOf[rank] as number);
    nodes.delete(this.#node);
    this.peers = new Map([...nodes].map(([node, ranks]) => [node, new Peer(node, ids.get(node) ?? "", ranks)]));
    const codecOf = (id = ""): ControlCodec => new ControlCodec(keyOf(job.secret, ["states", job.run, job.epoch, id]));
    this.#controls = codecOf(ids.get(this.#node));
    this.#toPeers = new Map([...this.peers.values()].map(({ node, id }) => [node, codecOf(id)]));
    const { peers, counters, shared } = this;
    const onPart = (set: string, bytes: Uint8Array): void => this.hearFrame(set, bytes);
    const granted = (): number => this.grant.window;
    this.#traffic = new Traffic({ job, link, subjects, meeting, peers, counters, shared, granted, onPart });
  }

  /** The streams to the other clients. */
  get outflow(): Outflow {
    return this.#traffic.outflow;
  }

  /** Hears a part of a frame, on the subject of `set`. */
  hearFrame(set: string, bytes: Uint8Array): void {
    try {
      this.#traffic.take(set, bytes);
    } catch (error) {
      this.#refuse(error, "frames");
    }
  }

  /** Hears how things stand with another client. */
  hearState(bytes: Uint8Array): void {
    try {
      const state = this.#controls.decode(bytes);
      if (state.kind !== "state" || state.epoch !== this.#job.epoch) throw new FrameError("it is not of this epoch");
      const peer = this.peers.get(state.node);
      if (!peer) throw new FrameError(`no client has rank ${state.node} as its lowest`);
      if (peer.hear(state)) this.#learn(peer, state);
      else this.#replays.oldState();
    } catch (error) {
      const claimed = error instanceof SecretError ? this.#controls.claimed(bytes) : undefined;
      this.#refuse(error, claimed?.kind === "state" ? claimOf(claimed) : "states");
    }
  }

  /** Moves all that can move now, and tells who should hear of it. */
  turn(): void {
    this.#traffic.move();
    for (const peer of this.peers.values()) {
      if (peer.lacks(this.#ledger.words(peer.ranks), this.#ledger.waiting(), this.#job.wiring.credit / 64))
        peer.due = "now";
      if (peer.due === "now") this.tell(peer);
    }
  }

  /** Looks at what rings no bell. Returns the ms until it should look again. */
  tick(now: number): number {
    if (this.#link.up) this.outflow.retry(now, retryAfter);
    this.turn();
    const acknowledges = now - this.#acknowledged >= acknowledgeEvery;
    if (acknowledges) this.#acknowledged = now;
    const leaving = this.#job.ranks.some((rank) => this.counters.closed(rank) && this.outflow.busy(rank));
    for (const peer of this.peers.values()) {
      const asked = peer.asking;
      if (this.#traffic.inflow.hasRoom(peer.ranks)) peer.due = "now";
      const sends = leaving || this.#ledger.sends([...peer.ranks].filter((rank) => !peer.left.has(rank)));
      peer.stuck = sends ? peer.stuck + 1 : 0;
      const due = peer.due === "now" || (peer.due && (acknowledges || peer.asks));
      if (due || peer.asking || asked) this.tell(peer);
    }
    const moved = this.#traffic.moved - this.#moved;
    this.#moved = this.#traffic.moved;
    const waits = leaving || [...this.peers.values()].some(({ stuck, asks }) => asks || stuck > 0);
    return waits || moved > much ? tickSoon : tickLater;
  }

  /** Tells one client how things stand. */
  tell(peer: Peer): void {
    const waiting = this.#ledger.waiting();
    const state: State = {
      kind: "state",
      epoch: this.#job.epoch,
      node: this.#node,
      count: peer.tell(this.#ledger.words(peer.ranks), waiting),
      links: this.shared.counts().reconnects,
      resent: this.outflow.resent,
      window: this.grant.window,
      asks: peer.asking,
      waiting,
      consumed: this.#ledger.consumed(peer.ranks).filter(([, , words]) => words > 0),
      acks: this.#traffic.inflow.acks(peer.ranks),
      opens: this.outflow.unopened(peer.node),
      left: [...this.#left],
      seen: [...peer.left],
      last: this.#job.ranks.map((rank) => [rank, this.shared.latest(rank)]),
    };
    const codec = this.#toPeers.get(peer.node) as ControlCodec;
    this.#link.publish(this.#subjects.state(peer.node), codec.encode(state));
  }

  /** Says that `rank`, of this process, is done: the others may stop waiting for it. */
  leave(rank: number): void {
    if (this.#left.has(rank)) return;
    this.#left.add(rank);
    for (const peer of this.peers.values()) peer.due = "now";
  }

  /** Counts what somebody plays again. */
  countReplays(): void {
    const peers = [...this.peers.values()];
    const { duplicates, reconnects } = this.shared.counts();
    const resent = peers.reduce((sum, peer) => sum + peer.resent, 0);
    const links = peers.reduce((sum, peer) => sum + peer.links, reconnects);
    this.#replays.look({ duplicates, resent, links });
  }

  /** Closes `rank`, which lives elsewhere and will send nothing more, once all it sent is delivered. */
  end(peer: Peer, rank: number, failure: Error): void {
    if (peer.left.has(rank)) return;
    peer.left.add(rank);
    peer.due = "now";
    this.shared.setFailure(rank, failure);
    if (peer.gone) this.outflow.drop(peer.node);
    void this.#traffic.delivered(rank).then(() => this.counters.close(rank));
  }

  #learn(peer: Peer, state: State): void {
    const now = performance.now();
    this.outflow.grant(peer.node, state.window);
    this.shared.setAsked([...this.peers.values()].some(({ asks }) => asks));
    for (const [from, set] of state.opens) if (peer.ranks.has(from)) this.#open(peer, from, set);
    for (const [from, set, parts, gap] of state.acks)
      this.outflow.acknowledge(peer.node, from, set, parts, gap === 1, now);
    if (peer.linked(state)) this.outflow.rewind(now, peer.node);
    peer.mirror(state, this.counters, this.shared, this.#own);
    for (const rank of state.left) if (peer.ranks.has(rank)) this.end(peer, rank, this.#closed(rank));
    this.#traffic.pump();
  }

  #closed(rank: number): LostRankError {
    return new LostRankError({ rank, reason: `rank ${rank} closed (${this.shared.lastSeen(rank)})` });
  }

  #open(peer: Peer, from: number, set: string): void {
    if (!ranksOf(set, this.#job.size).some((rank) => this.#own.has(rank))) return;
    this.#traffic.open(from, set);
    peer.due = "now";
    this.counters.wake(clientThread(this.#job));
  }

  /** Counts what is refused; it may come from anybody. */
  #refuse(error: unknown, kind: string): void {
    if (!(error instanceof FrameError)) throw error;
    this.#refusals.count(kind, error instanceof SecretError ? `its sender has ${error.message}` : error.message);
  }
}
