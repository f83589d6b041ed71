// One process of the benchmark over NATS: a rank of plain publish and subscribe, and one of each transport, told case by case
// what to do. Rank 0 takes the time, from when all begin to when all are done. Results are checked.
import { once } from "node:events";
import { allGather, allReduce } from "../../packages/core/src/group/collectives.ts";
import type { Members } from "../../packages/core/src/group/vectors.ts";
import { type NatsEndpoint, openNats } from "../../packages/transport-nats/src/index.ts";
import type { Command, RankJob, Side } from "./job.ts";
import { Raw } from "./raw.ts";

/** One operation, named by `key`. */
type Way = (key: string) => Promise<unknown>;

/** An exact value, other in each place, so that no order of summation rounds. */
const valueAt = (rank: number, i: number): number => (rank + 1) * (1 + (i % 127));

/** Every 61st value: enough to see a part lost or misplaced, and little of the time measured. */
function check(values: Float32Array, length: number, expected: (i: number) => number): void {
  if (values.length !== length) throw new Error(`${values.length} values, not ${length}`);
  for (let i = 0; i < length; i += 61)
    if (values[i] !== expected(i)) throw new Error(`value ${i} is ${values[i]}, not ${expected(i)}`);
}

const mineOf = (rank: number, length: number): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length }, (_, i) => valueAt(rank, i));

/** The transport's collectives. A batch uses the memory of its results again, as groups do; the next has fresh memory. */
function collectives(members: Members, { operation, bytes }: Command): Way {
  const { at, ranks } = members;
  const length = bytes / 4;
  if (operation === "all-gather") {
    const part = length / ranks.length;
    const [mine, wholes] = [mineOf(at, part), [new Float32Array(length)]];
    return async (key) => {
      const [whole] = (await allGather(members, [mine], [length], key, wholes)) as [Float32Array];
      check(whole, length, (i) => valueAt(Math.floor(i / part), i % part));
    };
  }
  const [mine, totals] = [mineOf(at, length), [new Float32Array(length)]];
  const factor = ranks.reduce((sum, rank) => sum + valueAt(rank, 0), 0);
  return async (key) => {
    const [total] = (await allReduce(members, [mine], key, totals)) as [Float32Array];
    check(total, length, (i) => factor * valueAt(0, i));
  };
}

/** The same bytes in the same directions: two exchange whole tensors, more reduce, then gather. */
function plain(raw: Raw, { operation, bytes }: Command): Way {
  const others = Array.from({ length: raw.size }, (_, rank) => rank).filter((rank) => rank !== raw.rank);
  const part = operation === "round trip" || raw.size === 2 ? bytes : bytes / raw.size;
  const data = new Uint8Array(operation === "all-gather" ? bytes / raw.size : bytes);
  const swap = (length: number) =>
    Promise.all([raw.send(others, data, length), ...others.map((rank) => raw.recv(rank, length))]);
  if (operation === "all-gather") return () => swap(data.length);
  if (operation === "round trip") return () => pingPong(raw, others, data);
  if (raw.size === 2) return () => swap(data.length);
  return async () => {
    const sent = others.map((rank) => raw.send([rank], data, part));
    await Promise.all([...sent, ...others.map((rank) => raw.recv(rank, part))]);
    await swap(part);
  };
}

async function pingPong(raw: Raw, others: readonly number[], data: Uint8Array): Promise<void> {
  if (raw.rank === 1) await raw.recv(0, data.length);
  await raw.send(others, data, data.length);
  if (raw.rank === 0) await raw.recv(1, data.length);
}

/** All begin, or have ended. */
async function meet(raw: Raw): Promise<void> {
  if (raw.rank > 0) {
    raw.signal(0);
    return raw.heard(0);
  }
  for (let rank = 1; rank < raw.size; rank++) await raw.heard(rank);
  for (let rank = 1; rank < raw.size; rank++) raw.signal(rank);
}

/** ms an operation. */
async function time(raw: Raw, way: Way, repeats: number, key: string): Promise<number> {
  await meet(raw);
  const from = performance.now();
  for (let i = 0; i < repeats; i++) await way(`${key} ${i}`);
  await meet(raw);
  return (performance.now() - from) / repeats;
}

/** ms of each operation, taken one by one: for what takes less than a meeting. */
async function each(raw: Raw, way: Way, count: number, key: string): Promise<number[]> {
  const took: number[] = [];
  await meet(raw);
  for (let i = 0; i < count; i++) {
    const from = performance.now();
    await way(`${key} ${i}`);
    took.push(performance.now() - from);
  }
  await meet(raw);
  return took;
}

/** Opens the endpoint of each transport. */
async function endpoints({
  servers,
  run,
  rank,
  size,
}: RankJob): Promise<Readonly<Record<Exclude<Side, "raw">, NatsEndpoint>>> {
  const open = (side: Side, more: object) => openNats({ servers, run: `${run}-${side}`, rank, size, ...more });
  const secret = "the secret of a benchmark";
  const [plainly, keyed, encrypted] = await Promise.all([
    open("open", {}),
    open("keyed", { secret }),
    open("encrypted", { secret, encrypt: true }),
  ]);
  return { open: plainly, keyed, encrypted };
}

async function main(job: RankJob): Promise<void> {
  const { servers, run, rank, size } = job;
  const raw = await Raw.open({ servers, prefix: `raw.${run}`, rank, size });
  const transports = await endpoints(job);
  const ranks = Array.from({ length: size }, (_, i) => i);
  const wayOf = (command: Command): Way =>
    command.side === "raw"
      ? plain(raw, command)
      : collectives({ endpoint: transports[command.side], ranks, at: rank }, command);
  process.send?.([]);
  for (;;) {
    const [command] = (await once(process, "message")) as [Command | "end"];
    if (command === "end") break;
    gc?.(); // tensors of the command before
    const { repeats, count, key } = command;
    const way = wayOf(command);
    process.send?.(count > 1 ? await each(raw, way, count, key) : [await time(raw, way, repeats, key)]);
  }
  await Promise.all(Object.values(transports).map((transport) => transport.close()));
  await raw.close();
  process.disconnect?.();
}

await main(JSON.parse(process.argv[2] as string) as RankJob);
