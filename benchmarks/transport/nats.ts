// The transport over NATS, without a secret, with one, and encrypted, against plain publish and subscribe of the same bytes,
// in the same directions, between the same processes, through the same server: 2 and 4 processes, tensors of 1 KiB to 256 MiB.
// Rounds of the four alternate, one at work at a time, and a ratio is the median over rounds. Goodput is the tensor's bytes
// over the time from when all begin to when all are done.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { TestServer } from "@orthant/testing/nats-server";
import { type Command, type Operation, type RankJob, type Side, sides } from "./job.ts";

export interface NatsChoice {
  readonly processes: readonly number[];
  /** Bytes. */
  readonly sizes: readonly number[];
}

/** ms, those of one index from the same round. */
type Took = Readonly<Record<Side, readonly number[]>>;

/** From this many bytes on, at least this part of raw with a secret. */
const target = { bytes: 2 ** 24, ratio: 0.7, trips: 3 };
/** Bytes that one measurement moves at least, and the operations in it at most. */
const batch = { bytes: 2 ** 27, operations: 64 };
const trips = { blocks: 10, count: 100 };

const roundsOf = (bytes: number): number => (bytes > 2 ** 26 ? 3 : 5);

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const size = (bytes: number): string => (bytes >= 2 ** 20 ? `${bytes / 2 ** 20} MiB` : `${bytes / 2 ** 10} KiB`);

const bySide = <T>(make: (side: Side) => T): Record<Side, T> =>
  Object.fromEntries(sides.map((side) => [side, make(side)])) as Record<Side, T>;

/** The processes: a rank each, on every side. */
class Ranks {
  readonly #children: readonly ChildProcess[];

  constructor(servers: string, size: number) {
    this.#children = Array.from({ length: size }, (_, rank) => {
      const job: RankJob = { servers, run: `bench-${size}`, rank, size };
      return fork(new URL("./rank.ts", import.meta.url), [JSON.stringify(job)], { execArgv: ["--expose-gc"] });
    });
  }

  /** The answer of rank 0 once all have answered. */
  async heard(): Promise<readonly number[]> {
    const [first] = await Promise.all(this.#children.map(heardFrom));
    return first as number[];
  }

  tell(command: Command): Promise<readonly number[]> {
    const heard = this.heard();
    for (const child of this.#children) child.send(command);
    return heard;
  }

  async end(): Promise<void> {
    const all = this.#children;
    const ends = all.map((child) => (child.exitCode === null ? once(child, "exit") : undefined));
    for (const child of all) if (child.connected) child.send("end");
    const late = setTimeout(() => all.map((child) => child.kill("SIGKILL")), 10_000);
    await Promise.all(ends);
    clearTimeout(late);
  }
}

function heardFrom(child: ChildProcess): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const failed = (code: number | null): void => reject(new Error(`a rank ended with code ${code}`));
    child.once("exit", failed);
    child.once("message", (answer) => {
      child.off("exit", failed);
      resolve(answer as number[]);
    });
  });
}

async function measured(ranks: Ranks, operation: Operation, bytes: number): Promise<Took> {
  const took = bySide((): number[] => []);
  const repeats = Math.max(1, Math.min(batch.operations, batch.bytes / bytes));
  for (let round = 0; round <= roundsOf(bytes); round++)
    for (const side of sides) {
      const command = { side, operation, bytes, repeats, count: 1, key: `${operation} ${bytes} ${round}` };
      const [ms] = await ranks.tell(command);
      if (round > 0) took[side].push(ms as number); // the first touches fresh memory
    }
  return took;
}

async function tripsOf(ranks: Ranks): Promise<Took> {
  const took = bySide((): number[] => []);
  for (let block = 0; block < trips.blocks; block++) {
    const command = { bytes: 1024, repeats: 1, count: trips.count, key: `trip ${block}` };
    for (const side of sides) {
      const operation = side === "raw" ? "round trip" : "all-reduce";
      took[side].push(...(await ranks.tell({ ...command, side, operation })));
    }
  }
  return took;
}

const ratioOf = ({ raw, ...ours }: Took, side: Exclude<Side, "raw">): number =>
  median(raw.map((ms, i) => ms / (ours[side][i] as number)));

/** Whether it holds its target. */
function printRow(processes: number, operation: Operation, bytes: number, took: Took): boolean {
  const rate = (ms: readonly number[]): string => (bytes / median(ms) / 1e6).toPrecision(3);
  const aimed = bytes >= target.bytes;
  const held = !aimed || ratioOf(took, "keyed") >= target.ratio;
  const ours = (["open", "keyed", "encrypted"] as const).map((side) =>
    `${rate(took[side])} ${(100 * ratioOf(took, side)).toFixed(0).padStart(4)} %`.padStart(16),
  );
  const head = [String(processes).padStart(9), operation.padStart(11), size(bytes).padStart(8)];
  const cells = [...head, rate(took.raw).padStart(9), ...ours];
  console.log(`${cells.join("")}${aimed ? `  (target 70 % with a secret${held ? "" : ": MISSED"})` : ""}`);
  return held;
}

function printTrips(took: Took): boolean {
  const trip = median(took.raw);
  const us = (ms: readonly number[]): string => `${(1000 * median(ms)).toFixed(0)} us`;
  const times = median(took.keyed) / trip;
  const held = times < target.trips;
  const ours = `without a secret ${us(took.open)}, with one ${us(took.keyed)}, encrypted ${us(took.encrypted)}`;
  const ratio = `ratio ${times.toFixed(2)} with a secret (target under ${target.trips}${held ? "" : ": MISSED"})`;
  console.log(`all-reduce of 1 KiB between 2: ${ours}; raw round trip: ${us(took.raw)}; ${ratio}`);
  return held;
}

/** Prints a row for each case. Whether all targets hold. */
export async function natsTargets({ processes, sizes }: NatsChoice): Promise<boolean> {
  const server = await TestServer.start();
  const held: boolean[] = [];
  console.log("processes  operation  tensor raw GB/s   without secret            with       encrypted");
  for (const count of processes) {
    const ranks = new Ranks(server.url, count);
    try {
      await ranks.heard();
      if (count === 2) held.push(printTrips(await tripsOf(ranks)));
      for (const bytes of sizes)
        for (const operation of ["all-reduce", "all-gather"] as const)
          held.push(printRow(count, operation, bytes, await measured(ranks, operation, bytes)));
    } finally {
      await ranks.end();
    }
  }
  await server.stop();
  return held.every((hold) => hold);
}
