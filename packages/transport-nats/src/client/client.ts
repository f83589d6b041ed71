// The thread that talks to NATS: it never computes, so a long kernel elsewhere delays no message, heartbeat or
// acknowledgement. Meets the other clients, then serves the rings until the ranks of this process have left.
import { parentPort, workerData } from "node:worker_threads";
import { LostRankError, toPlain } from "@orthant/core/transport-kit";
import { showServers } from "../connection/dial.ts";
import { Link } from "../connection/link.ts";
import { connectDirectly } from "../connection/socket.ts";
import { type ClientJob, type ClientReport, clientThread } from "../job.ts";
import { Gathering } from "../meeting/gathering.ts";
import { setOf, subjectsOf } from "../protocol/subjects.ts";
import { Shared } from "../shared.ts";
import { Bridge } from "./bridge.ts";
import { slowError } from "./grant.ts";
import type { Peer } from "./peer.ts";
import { Refusals } from "./refusals.ts";

/** Reasons for which others were refused that are told, at most. */
const mostStrangers = 16;
/** ms between looks whether ranks that closed may leave. */
const leaveEvery = 10;

class Client {
  readonly #job: ClientJob;
  readonly #link: Link;
  readonly #gathering: Gathering;
  readonly #report: (report: ClientReport) => void;
  readonly #failed = Promise.withResolvers<never>();
  #bridge: Bridge | undefined;
  /** ms of heartbeats without a connection. */
  #cut = 0;
  /** When the connection was lost last, ms. */
  #since = performance.now();
  readonly #refusals: Refusals;
  readonly #telling: NodeJS.Timeout;
  /** Reasons for which others were refused, told once each. */
  readonly #strangers = new Set<string>();
  #soon: NodeJS.Timeout | undefined;

  constructor(job: ClientJob, link: Link, report: (report: ClientReport) => void) {
    this.#job = job;
    this.#link = link;
    this.#report = report;
    const shared = new Shared(job.shared, job.size);
    this.#refusals = new Refusals(`the lobby of run "${job.run}"`, (more) => shared.count("refused", more));
    this.#telling = setInterval(() => this.#tellRefused(), job.heartbeat);
    void link.watch({ onUp: (cut) => this.#up(cut), onDown: () => this.#down() });
    const onGone = (rank: number, failure: Error): void => this.#lose(rank, failure);
    const onWait = (ranks: readonly number[]): void => report({ kind: "waits", ranks });
    const onDropped = (kind: string, why: string): void => this.#refusals.count(kind, why);
    const onStranger = (reason: string): void => this.#refuse(reason);
    const onRefused = (error: Error): void => this.fail(error);
    this.#gathering = new Gathering(job, link, { onGone, onWait, onRefused, onStranger, onDropped });
    this.#failed.promise.catch(() => this.#gathering.end());
  }

  /** Ends the run on this client. */
  fail(error: Error): void {
    this.#failed.reject(error);
  }

  /** Resolves once every rank was heard of; rejects where this client is refused, or after `gather` ms. */
  async meet(): Promise<void> {
    const { run, epoch, ranks } = this.#job;
    const subjects = subjectsOf(run, epoch);
    this.#link.subscribe(subjects.state(Math.min(...ranks)), (bytes) => this.#bridge?.hearState(bytes));
    for (const rank of ranks)
      this.#link.subscribe(subjects.data(setOf([rank]), "*"), (bytes) => this.#bridge?.hearFrame(setOf([rank]), bytes));
    const meeting = await Promise.race([this.#gathering.complete(), this.#failed.promise]);
    this.#bridge = new Bridge(this.#job, this.#link, subjects, meeting, this.#refusals);
  }

  /** Serves until all ranks of this process left. Where the run cannot go on they are told. */
  async serve(): Promise<void> {
    const bridge = this.#bridge as Bridge;
    const { heartbeat } = this.#job;
    let looking: NodeJS.Timeout | undefined;
    const look = (): void => {
      looking = setTimeout(look, bridge.tick(performance.now()));
    };
    look();
    const beating = setInterval(() => this.#beat(bridge), heartbeat);
    this.#failed.promise.catch((error: Error) => this.#giveUp(bridge, error));
    try {
      await this.#loop(bridge);
    } finally {
      clearTimeout(looking);
      clearInterval(beating);
    }
  }

  /** Ends what is left of it: its last words on what it refused. */
  end(): void {
    clearInterval(this.#telling);
    this.#tellRefused();
    this.fail(new Error("the client has ended")); // its hellos too
  }

  /** Some rank elsewhere is gone, and the run with it: no step goes on without it. */
  #lose(rank: number, failure: Error): void {
    const bridge = this.#bridge;
    if (this.#job.ranks.includes(rank)) return;
    const why = failure.message;
    const reason = bridge
      ? `${why} (${bridge.shared.lastSeen(rank)})`
      : `rank ${rank} ended before all had met: ${why}`;
    const lost = new LostRankError({ rank, reason }, failure instanceof LostRankError ? failure.cause : failure);
    if (bridge) this.#giveUp(bridge, lost);
    else this.fail(lost);
  }

  async #loop(bridge: Bridge): Promise<void> {
    const { counters } = bridge;
    const thread = clientThread(this.#job);
    const leaving = new Map<number, number>();
    for (;;) {
      const bell = counters.bell(thread);
      for (const rank of this.#job.ranks)
        if (counters.closed(rank) && !leaving.has(rank)) leaving.set(rank, this.#closed(bridge, rank));
      bridge.turn();
      if (this.#leave(bridge, leaving)) break;
      await (counters.sleep(thread, bell) ?? new Promise((resolve) => setImmediate(resolve)));
    }
    bridge.turn();
  }

  /** Returns since when `rank` waits to leave, ms. One that failed tells all others, and waits for nobody. */
  #closed({ shared }: Bridge, rank: number): number {
    const failure = shared.failure(rank);
    if (!failure) return Date.now();
    this.#gathering.tellGone(rank, failure);
    return 1;
  }

  /**
   * Lets ranks go that closed and whose frames are all acknowledged, or waited long enough. True when all went and every
   * other client knows: while one does not, it may lack the last acknowledgement, and send again what nobody would hear.
   */
  #leave(bridge: Bridge, leaving: ReadonlyMap<number, number>): boolean {
    const { ranks, linger } = this.#job;
    const { counters, outflow, peers } = bridge;
    const late = (since: number): boolean => Date.now() - since > linger;
    const done = [...leaving].filter(([rank, since]) => !outflow.busy(rank) || late(since));
    for (const [rank] of done) bridge.leave(rank);
    const known = [...peers.values()].every((peer) => ranks.every((rank) => peer.knows(rank)));
    if (done.length === ranks.length && (known || leaving.values().every(late))) return true;
    clearTimeout(this.#soon);
    if (leaving.size > 0) this.#soon = setTimeout(() => counters.wake(clientThread(this.#job)), leaveEvery);
    return false;
  }

  #beat(bridge: Bridge): void {
    const { heartbeat, silence, servers } = this.#job;
    bridge.grant.grow(performance.now());
    this.#cut = this.#link.up ? 0 : this.#cut + heartbeat;
    if (this.#cut > silence)
      this.fail(new Error(`no connection to ${showServers(servers)} for ${this.#cut} ms${this.#link.said}`));
    for (const peer of bridge.peers.values()) {
      if (this.#link.up) peer.missed += 1;
      if (peer.missed * heartbeat > silence) this.#silent(peer);
      bridge.tell(peer);
    }
  }

  #tellRefused(): void {
    this.#bridge?.countReplays();
    const what = this.#refusals.report(performance.now());
    if (what) this.#report({ kind: "refused", what });
  }

  #refuse(reason: string): void {
    if (this.#strangers.has(reason) || this.#strangers.size >= mostStrangers) return;
    this.#strangers.add(reason);
    this.#report({ kind: "stranger", reason });
  }

  #silent(peer: Peer): void {
    const { heartbeat, silence } = this.#job;
    for (const rank of peer.ranks) {
      if (peer.left.has(rank)) continue;
      const reason = `rank ${rank} gave no sign of life for ${peer.missed * heartbeat} ms, silence allows ${silence}`;
      const lost = new LostRankError({ rank, reason });
      this.#gathering.tellGone(rank, lost);
      this.#lose(rank, lost);
    }
  }

  #down(): void {
    this.#since = performance.now();
    this.#report({ kind: "down" });
  }

  #up(cut: boolean): void {
    const bridge = this.#bridge;
    this.#report({ kind: "up", ms: performance.now() - this.#since });
    if (!bridge) return;
    bridge.shared.count("reconnects");
    if (cut) this.#shrink(bridge);
    bridge.outflow.rewind(performance.now());
    for (const peer of bridge.peers.values()) {
      peer.missed = 0;
      peer.due = "now";
    }
    bridge.turn();
  }

  /** The server cut this process off for being slow: less may be on the way to it, and in the end nothing. */
  #shrink({ grant, shared }: Bridge): void {
    const { ranks } = this.#job;
    shared.count("cuts");
    const before = grant.window;
    const cuts = grant.cut(performance.now());
    if (grant.window < before) this.#report({ kind: "cut", window: grant.window });
    if (cuts === undefined) return;
    const lost = slowError(this.#job, cuts, grant.window);
    for (const rank of ranks) this.#gathering.tellGone(rank, lost);
    this.fail(lost);
  }

  #giveUp(bridge: Bridge, failure: Error): void {
    for (const peer of bridge.peers.values()) for (const rank of peer.ranks) bridge.end(peer, rank, failure);
  }
}

/** The whole life of a client. */
async function run(job: ClientJob, report: (report: ClientReport) => void): Promise<void> {
  let link: Link | undefined;
  let client: Client | undefined;
  try {
    link = await Link.open(job, (error) => client?.fail(error), connectDirectly);
    if (job.jetstream && !link.jetstream)
      throw new Error(`${showServers(job.servers)} has no JetStream: start it with nats-server -js`);
    client = new Client(job, link, report);
    await client.meet();
    report({ kind: "ready" });
    await client.serve();
    report({ kind: "done" });
  } catch (error) {
    report({ kind: "failed", error: toPlain(error) });
  } finally {
    client?.end();
    await link?.close();
    const shared = new Shared(job.shared, job.size);
    for (const rank of job.ranks) shared.leave(rank);
  }
}

if (parentPort) await run(workerData as ClientJob, (report) => parentPort?.postMessage(report));
