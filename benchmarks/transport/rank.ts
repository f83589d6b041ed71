// One rank of the benchmark over NATS, in a process of its own: each case by the transport's collectives and by plain
// publish and subscribe, in turn, checked. Rank 0 takes the time, from when all begin to when all are done.
import { allGather, allReduce, type Members } from "../../packages/core/src/collectives.ts";
import { openNats } from "../../packages/transport-nats/src/open.ts";
import { Raw } from "./raw.ts";

/** What a process of the benchmark is told. */
export interface RankJob {
  readonly servers: string;
  readonly run: string;
  readonly rank: number;
  readonly size: number;
  /** Bytes of the tensors. */
  readonly sizes: readonly number[];
  /** Pairs of round trips. */
  readonly trips: number;
}

export type Operation = "all-reduce" | "all-gather";

/** Times in ms, those of one index from the same round. */
export interface Row {
  readonly operation: Operation;
  readonly processes: number;
  readonly bytes: number;
  readonly raw: readonly number[];
  readonly ours: readonly number[];
}

/** The time of one side's way to do the operation once. */
type Way = (key: string) => Promise<void>;

interface Case {
  readonly ours: Way;
  readonly raw: Way;
}

const operations: readonly Operation[] = ["all-reduce", "all-gather"];
/** Bytes that one measurement moves at least, and the operations in it at most. */
const batch = { bytes: 2 ** 22, operations: 64 };

const roundsOf = (bytes: number): number => (bytes > 2 ** 26 ? 3 : bytes > 2 ** 24 ? 5 : 7);

/** An exact value, other in each place, so that no order of summation rounds. */
const valueAt = (rank: number, i: number): number => (rank + 1) * (1 + (i % 127));

class Rank {
  readonly #members: Members;
  readonly #raw: Raw;
  readonly #others: readonly number[];

  constructor(members: Members, raw: Raw) {
    this.#members = members;
    this.#raw = raw;
    this.#others = members.ranks.filter((rank) => rank !== members.at);
  }

  async row(operation: Operation, bytes: number): Promise<Row> {
    const { ours, raw } = operation === "all-reduce" ? this.#reducing(bytes / 4) : this.#gathering(bytes / 4);
    const repeats = Math.max(1, Math.min(batch.operations, batch.bytes / bytes));
    const took = { ours: [] as number[], raw: [] as number[] };
    for (let round = 0; round <= roundsOf(bytes); round++) {
      const times = {
        raw: await this.#time(raw, repeats, ""),
        ours: await this.#time(ours, repeats, `${operation} ${bytes} ${round}`),
      };
      if (round === 0) continue; // the first touches fresh memory
      took.raw.push(times.raw);
      took.ours.push(times.ours);
    }
    return { operation, processes: this.#raw.size, bytes, ...took };
  }

  /** ms of raw round trips, and of all-reduces of 1 KiB, in turn. */
  async trips(count: number): Promise<{ raw: number[]; ours: number[] }> {
    const took = { raw: [] as number[], ours: [] as number[] };
    const { ours } = this.#reducing(256);
    const data = new Uint8Array(1024);
    for (let i = 0; i < count; i++) {
      const from = performance.now();
      await this.#pingPong(data);
      const between = performance.now();
      await ours(`trip ${i}`);
      took.raw.push(between - from);
      took.ours.push(performance.now() - between);
    }
    return took;
  }

  async #pingPong(data: Uint8Array): Promise<void> {
    if (this.#raw.rank === 1) await this.#raw.recv(0, data.length);
    await this.#raw.send(this.#others, data, data.length);
    if (this.#raw.rank === 0) await this.#raw.recv(1, data.length);
  }

  /** ms an operation. */
  async #time(way: Way, repeats: number, key: string): Promise<number> {
    await this.#meet();
    const from = performance.now();
    for (let i = 0; i < repeats; i++) await way(`${key} ${i}`);
    await this.#meet();
    return (performance.now() - from) / repeats;
  }

  async #meet(): Promise<void> {
    if (this.#raw.rank > 0) {
      this.#raw.signal(0);
      return this.#raw.heard(0);
    }
    for (const rank of this.#others) await this.#raw.heard(rank);
    for (const rank of this.#others) this.#raw.signal(rank);
  }

  #reducing(elements: number): Case {
    const { at, ranks, transport } = this.#members;
    const mine = Float32Array.from({ length: elements }, (_, i) => valueAt(at, i));
    const totals = [new Float32Array(ranks.length > 2 ? elements : 0)];
    const factor = ranks.reduce((sum, rank) => sum + valueAt(rank, 0), 0);
    const data = new Uint8Array(mine.buffer);
    const part = data.length / ranks.length;
    return {
      ours: async (key) => {
        const [total] = (await allReduce(this.#members, [mine], key, totals)) as [Float32Array<ArrayBuffer>];
        check(total, elements, (i) => factor * valueAt(0, i));
        if (total !== totals[0]) transport.recycle?.(new Uint8Array(total.buffer));
      },
      raw: async () => {
        if (ranks.length === 2) return this.#swap(data, data.length);
        const sent = this.#others.map((rank) => this.#raw.send([rank], data, part));
        await Promise.all([...sent, ...this.#others.map((rank) => this.#raw.recv(rank, part))]);
        return this.#swap(data, part);
      },
    };
  }

  #gathering(elements: number): Case {
    const { at, ranks } = this.#members;
    const part = elements / ranks.length;
    const mine = Float32Array.from({ length: part }, (_, i) => valueAt(at, i));
    const wholes = [new Float32Array(elements)];
    const data = new Uint8Array(mine.buffer);
    return {
      ours: async (key) => {
        const [whole] = (await allGather(this.#members, [mine], [elements], key, wholes)) as [Float32Array];
        check(whole, elements, (i) => valueAt(Math.floor(i / part), i % part));
      },
      raw: () => this.#swap(data, data.length),
    };
  }

  /** Everybody publishes the same number of bytes, once, to all others. */
  async #swap(data: Uint8Array, bytes: number): Promise<void> {
    await Promise.all([
      this.#raw.send(this.#others, data, bytes),
      ...this.#others.map((rank) => this.#raw.recv(rank, bytes)),
    ]);
  }
}

/** Every 61st value: enough to see a part lost or misplaced, and little of the time measured. */
function check(values: Float32Array, length: number, expected: (i: number) => number): void {
  if (values.length !== length) throw new Error(`${values.length} values, not ${length}`);
  for (let i = 0; i < length; i += 61)
    if (values[i] !== expected(i)) throw new Error(`value ${i} is ${values[i]}, not ${expected(i)}`);
}

const job = JSON.parse(process.argv[2] as string) as RankJob;
const { servers, run, rank: at, size, sizes } = job;
const raw = await Raw.open({ servers, prefix: `raw.${run}`, rank: at, size }); // first: when the ranks have met, all listen
const transport = await openNats({ servers, run, rank: at, size });
const rank = new Rank({ transport, ranks: Array.from({ length: size }, (_, i) => i), at }, raw);
const report = (message: unknown): void => void (at === 0 && process.send?.(message));
if (job.trips > 0) report(await rank.trips(job.trips));
for (const bytes of sizes) for (const operation of operations) report(await rank.row(operation, bytes));
await transport.close();
await raw.close();
process.disconnect?.();
