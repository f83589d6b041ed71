// `npm run bench -- machines`: collectives of 2^19 floats in two levels (machine: N / 2) against flat, where two machines have one slow
// link each way between them and memory inside: bytes over the slow links, and time. All ranks in one thread. With --namespaces, on
// Linux as root, whole steps of 4 processes over NATS instead, between two network namespaces. MBS=5 sets the link. Ends with 1
// where two levels send more over the slow links than each byte once each way, or take longer than flat.
import { parseArgs } from "node:util";
import { chunk, directGroup, type Group, memoryEndpoints } from "@orthant/core";
import { slowed } from "@orthant/testing";
import { zero } from "@orthant/zero";
import * as tf from "@tensorflow/tfjs";
import { lacking, overNamespaces, type Trained } from "./machines/namespaces.ts";

const length = 2 ** 19;
const runs = 5;
const bytesPerSecond = Number(process.env.MBS ?? 5) * 1e6;

const calls = {
  allReduce: (group: Group) => group.allReduce([tf.ones([length])], "x"),
  reduceScatter: (group: Group) => group.reduceScatter([tf.ones([length])], "x"),
  allGather: (group: Group) => {
    const [from, to] = chunk(length, group.size, group.rank);
    return group.allGather([tf.ones([to - from])], [[length]], "x");
  },
};

/** One call of every member; the milliseconds, and the bytes between machines. */
async function measure(members: number, op: keyof typeof calls, levels: boolean) {
  const machine = (rank: number) => Math.floor(rank / (members / 2));
  let slow = 0;
  const wrap = slowed({
    bytesPerSecond,
    link: (from, to) => (machine(from) === machine(to) ? undefined : `${machine(from)} to ${machine(to)}`),
  });
  const ranks = Array.from({ length: members }, (_, i) => i);
  const { wire } = zero({ stage: 3, ...(levels && { machine: members / 2 }) });
  const groups = memoryEndpoints(members).map((inner) => {
    const endpoint = wrap(inner);
    const counted: typeof endpoint = {
      ...endpoint,
      send(to, key, frame) {
        slow += frame.data.byteLength * to.filter((rank) => machine(rank) !== machine(inner.rank)).length;
        return endpoint.send(to, key, frame);
      },
    };
    const group = directGroup("dp", counted, ranks);
    return wire?.wrap(group) ?? group;
  });
  const from = performance.now();
  const results = await Promise.all(groups.map(calls[op]));
  const ms = performance.now() - from;
  tf.dispose(results);
  return { ms, slow };
}

const median = (xs: readonly number[]): number => xs.toSorted((a, b) => a - b)[xs.length >> 1]!;

interface Compared {
  readonly flat: { readonly ms: number; readonly slow: number };
  readonly levels: { readonly ms: number; readonly slow: number };
}

/** Medians of `runs` calls flat and as many in two levels, in turns, after one of each. */
async function compare(members: number, op: keyof typeof calls): Promise<Compared> {
  const ms: { flat: number[]; levels: number[] } = { flat: [], levels: [] };
  const slow = { flat: 0, levels: 0 };
  for (let run = 0; run <= runs; run++)
    for (const side of ["flat", "levels"] as const) {
      const found = await measure(members, op, side === "levels");
      slow[side] = found.slow;
      if (run > 0) ms[side].push(found.ms);
    }
  return {
    flat: { ms: median(ms.flat), slow: slow.flat },
    levels: { ms: median(ms.levels), slow: slow.levels },
  };
}

/** Prints a row; false where it misses a bar. */
function report(members: number, op: keyof typeof calls, { flat, levels }: Compared): boolean {
  const once = (op === "allReduce" ? 2 : 1) * 4 * length;
  const meets = levels.slow <= once && levels.ms <= flat.ms;
  const numbers = [flat.slow / 1e6, flat.ms, levels.slow / 1e6, levels.ms]
    .map((x) => x.toFixed(1).padStart(9))
    .join("");
  console.log(
    `${members}        ${op.padEnd(14)}${numbers}   ${(flat.ms / levels.ms).toFixed(2)} ${meets ? "meets" : "MISSES"}`,
  );
  return meets;
}

async function byDelays(): Promise<boolean> {
  console.log(`${length} floats, two machines, ${bytesPerSecond / 1e6} MB/s each way between them; medians of ${runs}`);
  console.log("members  collective        flat MB  flat ms   two-level MB  ms    flat / two-level ms");
  let met = true;
  for (const members of [4, 8])
    for (const op of ["allReduce", "reduceScatter", "allGather"] as const)
      met = report(members, op, await compare(members, op)) && met;
  return met;
}

async function byNamespaces(): Promise<boolean> {
  const missing = lacking();
  if (missing !== undefined) throw new Error(`--namespaces: ${missing}; leave it out for the delaying transport`);
  const { flat, levels } = await overNamespaces(bytesPerSecond);
  const shown = ({ ms, bytes }: Trained) => `${ms.toFixed(0)} ms a step, ${(bytes / 1e6).toFixed(2)} MB each way`;
  console.log(`zero 2, 4 ranks over NATS, two network namespaces, ${bytesPerSecond / 1e6} MB/s each way between them`);
  console.log(
    `flat: ${shown(flat)}; two levels: ${shown(levels)}; flat / two-level ms ${(flat.ms / levels.ms).toFixed(2)}`,
  );
  return levels.bytes < flat.bytes && levels.ms <= flat.ms;
}

const { values } = parseArgs({ options: { namespaces: { type: "boolean" } } });
process.exitCode = (await (values.namespaces ? byNamespaces() : byDelays())) ? 0 : 1;
