// The transport over NATS against plain publish and subscribe of the same bytes, in the same directions, between as many
// processes, through the same server: 2 and 4 processes, tensors of 1 KiB to 256 MiB. Each side has processes of its own;
// rounds of the two alternate and a ratio is the median over rounds. Goodput is the tensor's bytes over the time from when
// all begin to when all are done.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { TestServer } from "@orthant/testing/nats-server";
import type { Command, Operation, RankJob, Side } from "./rank.ts";

export interface NatsChoice {
  readonly processes: readonly number[];
  /** Bytes. */
  readonly sizes: readonly number[];
}

/** ms, those of one index from the same round. */
type Took = Readonly<Record<Side, readonly number[]>>;

/** From this many bytes on, at least this part of raw. */
const target = { bytes: 2 ** 24, ratio: 0.7, trips: 3 };
/** Bytes that one measurement moves at least, and the operations in it at most. */
const batch = { bytes: 2 ** 27, operations: 64 };
const trips = { blocks: 10, count: 100 };

const roundsOf = (bytes: number): number => (bytes > 2 ** 26 ? 3 : 5);

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const size = (bytes: number): string => (bytes >= 2 ** 20 ? `${bytes / 2 ** 20} MiB` : `${bytes / 2 ** 10} KiB`);

/** The processes of both sides. */
class Sides {
  readonly #children: Readonly<Record<Side, readonly ChildProcess[]>>;

  constructor(servers: string, count: number) {
    const start = (side: Side): ChildProcess[] =>
      Array.from({ length: count }, (_, rank) => {
        const job: RankJob = { servers, run: `bench-${count}-${side}`, rank, size: count, side };
        return fork(new URL("./rank.ts", import.meta.url), [JSON.stringify(job)]);
      });
    this.#children = { raw: start("raw"), ours: start("ours") };
  }

  /** The answers of rank 0 once all ranks of `side` have answered. */
  async heard(side: Side): Promise<readonly number[]> {
    const [first] = await Promise.all(this.#children[side].map(heardFrom));
    return first as number[];
  }

  tell(side: Side, command: Command): Promise<readonly number[]> {
    const heard = this.heard(side);
    for (const child of this.#children[side]) child.send(command);
    return heard;
  }

  async end(): Promise<void> {
    const all = [...this.#children.raw, ...this.#children.ours];
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

async function measured(sides: Sides, operation: Operation, bytes: number): Promise<Took> {
  const took = { raw: [] as number[], ours: [] as number[] };
  const repeats = Math.max(1, Math.min(batch.operations, batch.bytes / bytes));
  for (let round = 0; round <= roundsOf(bytes); round++)
    for (const side of ["raw", "ours"] as const) {
      const command = { operation, bytes, repeats, count: 1, key: `${operation} ${bytes} ${round}` };
      const [ms] = await sides.tell(side, command);
      if (round > 0) took[side].push(ms as number); // the first touches fresh memory
    }
  return took;
}

async function tripsOf(sides: Sides): Promise<Took> {
  const took = { raw: [] as number[], ours: [] as number[] };
  for (let block = 0; block < trips.blocks; block++) {
    const command = { bytes: 1024, repeats: 1, count: trips.count, key: `trip ${block}` };
    took.raw.push(...(await sides.tell("raw", { ...command, operation: "round trip" })));
    took.ours.push(...(await sides.tell("ours", { ...command, operation: "all-reduce" })));
  }
  return took;
}

/** Whether it holds its target. */
function printRow(processes: number, operation: Operation, bytes: number, { raw, ours }: Took): boolean {
  const rate = (ms: readonly number[]): string => (bytes / median(ms) / 1e6).toPrecision(3).padStart(10);
  const ratio = median(raw.map((ms, i) => ms / (ours[i] as number)));
  const aimed = bytes >= target.bytes;
  const held = !aimed || ratio >= target.ratio;
  const percent = `${(100 * ratio).toFixed(0)} %`.padStart(7);
  const cells = [String(processes).padStart(9), operation.padStart(11), size(bytes).padStart(8), rate(raw), rate(ours)];
  console.log(`${cells.join("")}${percent}${aimed ? `  (target 70 %${held ? "" : ": MISSED"})` : ""}`);
  return held;
}

function printTrips({ raw, ours }: Took): boolean {
  const [trip, reduce] = [median(raw), median(ours)];
  const held = reduce < target.trips * trip;
  const us = (ms: number): string => `${(1000 * ms).toFixed(0)} us`;
  const ratio = `ratio ${(reduce / trip).toFixed(2)} (target under ${target.trips}${held ? "" : ": MISSED"})`;
  console.log(`all-reduce of 1 KiB between 2: ${us(reduce)}; raw round trip: ${us(trip)}; ${ratio}`);
  return held;
}

/** Prints a row for each case. Whether all targets hold. */
export async function natsTargets({ processes, sizes }: NatsChoice): Promise<boolean> {
  const server = await TestServer.start();
  const held: boolean[] = [];
  console.log("processes  operation  tensor  raw GB/s ours GB/s  ratio");
  for (const count of processes) {
    const sides = new Sides(server.url, count);
    try {
      await Promise.all([sides.heard("raw"), sides.heard("ours")]);
      if (count === 2) held.push(printTrips(await tripsOf(sides)));
      for (const bytes of sizes)
        for (const operation of ["all-reduce", "all-gather"] as const)
          held.push(printRow(count, operation, bytes, await measured(sides, operation, bytes)));
    } finally {
      await sides.end();
    }
  }
  await server.stop();
  return held.every((hold) => hold);
}
