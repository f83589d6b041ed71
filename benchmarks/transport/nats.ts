// The transport over NATS against plain publish and subscribe of the same bytes, in the same directions, between as many
// processes, through the same server: 2 and 4 processes, tensors of 1 KiB to 256 MiB. Rounds of the two alternate; a
// ratio is the median over rounds. Goodput is the tensor's bytes over the time from when all begin to when all are done.
import { fork } from "node:child_process";
import { TestServer } from "../../packages/transport-nats/test/server.ts";
import type { RankJob, Row } from "./rank.ts";

export interface NatsChoice {
  readonly processes: readonly number[];
  /** Bytes. */
  readonly sizes: readonly number[];
}

/** From this many bytes on, at least this part of raw. */
const target = { bytes: 2 ** 24, ratio: 0.7, trips: 3 };
const trips = 1000;

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const size = (bytes: number): string => (bytes >= 2 ** 20 ? `${bytes / 2 ** 20} MiB` : `${bytes / 2 ** 10} KiB`);

/** Whether it holds its target. */
function printRow({ operation, processes, bytes, raw, ours }: Row): boolean {
  const rate = (ms: readonly number[]): string => (bytes / median(ms) / 1e6).toPrecision(3).padStart(10);
  const ratio = median(raw.map((ms, i) => ms / (ours[i] as number)));
  const aimed = bytes >= target.bytes;
  const held = !aimed || ratio >= target.ratio;
  const percent = `${(100 * ratio).toFixed(0)} %`.padStart(7);
  const cells = [String(processes).padStart(9), operation.padStart(11), size(bytes).padStart(8), rate(raw), rate(ours)];
  console.log(`${cells.join("")}${percent}${aimed ? `  (target 70 %${held ? "" : ": MISSED"})` : ""}`);
  return held;
}

function printTrips({ raw, ours }: Pick<Row, "raw" | "ours">): boolean {
  const [trip, reduce] = [median(raw), median(ours)];
  const held = reduce < target.trips * trip;
  const us = (ms: number): string => `${(1000 * ms).toFixed(0)} us`;
  console.log(
    `all-reduce of 1 KiB between 2: ${us(reduce)}; raw round trip: ${us(trip)}; ratio ${(reduce / trip).toFixed(2)} (target under 3${held ? "" : ": MISSED"})`,
  );
  return held;
}

/** Runs the ranks; hears each row. Rejects where one ended with an error. */
async function runRanks(
  jobs: readonly RankJob[],
  hear: (message: Row | Pick<Row, "raw" | "ours">) => void,
): Promise<void> {
  const file = new URL("./rank.ts", import.meta.url);
  const children = jobs.map((job) => fork(file, [JSON.stringify(job)]));
  children[0]?.on("message", (message) => hear(message as Row));
  const ends = children.map(
    (child, rank) =>
      new Promise<void>((resolve, reject) => {
        child.on("exit", (code) =>
          code === 0 ? resolve() : reject(new Error(`rank ${rank} ended with code ${code}`)),
        );
      }),
  );
  try {
    await Promise.all(ends);
  } finally {
    for (const child of children) child.kill("SIGKILL");
  }
}

/** Prints a row for each case. Whether all targets hold. */
export async function natsTargets({ processes, sizes }: NatsChoice): Promise<boolean> {
  const server = await TestServer.start();
  const held: boolean[] = [];
  console.log("processes  operation  tensor  raw GB/s ours GB/s  ratio");
  try {
    for (const count of processes) {
      const job = { servers: server.url, run: `bench-${count}`, size: count, sizes, trips: count === 2 ? trips : 0 };
      const jobs = Array.from({ length: count }, (_, rank) => ({ ...job, rank }));
      await runRanks(jobs, (row) => held.push("operation" in row ? printRow(row) : printTrips(row)));
    }
  } finally {
    await server.stop();
  }
  return held.every((hold) => hold);
}
