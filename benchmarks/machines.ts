// `npm run bench -- machines`: collectives of 2^19 floats in two levels (machine: N / 2) against flat, where two machines have one slow
// link each way between them and memory inside: bytes over the slow links, and time. All ranks in one thread. Ends with 1 where
// two levels send more over the slow links than each byte once each way, or take longer than flat.
import { chunk, directGroup, type Group, memoryEndpoints } from "@orthant/core";
import { slowed } from "@orthant/testing";
import { zero } from "@orthant/zero";
import * as tf from "@tensorflow/tfjs";

const length = 2 ** 19;
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

let met = true;
console.log(`${length} floats, two machines, ${bytesPerSecond / 1e6} MB/s each way between them`);
console.log("members  collective        flat MB  flat ms   two-level MB  ms    flat / two-level ms");
for (const members of [4, 8])
  for (const op of ["allReduce", "reduceScatter", "allGather"] as const) {
    await measure(members, op, true); // warms up
    const [flat, levels] = [await measure(members, op, false), await measure(members, op, true)];
    const once = (op === "allReduce" ? 2 : 1) * 4 * length;
    const meets = levels.slow <= once && levels.ms <= flat.ms;
    met &&= meets;
    const numbers = [flat.slow / 1e6, flat.ms, levels.slow / 1e6, levels.ms]
      .map((x) => x.toFixed(1).padStart(9))
      .join("");
    console.log(
      `${members}        ${op.padEnd(14)}${numbers}   ${(flat.ms / levels.ms).toFixed(2)} ${meets ? "meets" : "MISSES"}`,
    );
  }
process.exitCode = met ? 0 : 1;
