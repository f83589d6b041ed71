// The group that a run has by default: tensors become vectors, travel over an endpoint by the collectives of
// `collectives.ts`, and become tensors again. A group of one sends nothing.
import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import { elements, type Shape } from "../model/segment.ts";
import type { Endpoint } from "../transports/endpoint.ts";
import { messageKey } from "../transports/key.ts";
import { allGather, allReduce, reduceScatter } from "./collectives.ts";
import type { Group } from "./group.ts";
import { refuseSum } from "./price.ts";
import { chunkSize } from "./slices.ts";
import { type Carried, checkTensors, reshaped, Spare, tensorOf, toTensor } from "./tensors.ts";
import { type Members, toFrame } from "./vectors.ts";

/** Makes the group of `ranks`, the endpoint's, in the order of the axis; the endpoint's own rank is one of them. */
export function directGroup(axis: string, endpoint: Endpoint, ranks: readonly number[]): Group {
  const members: Members = { endpoint, ranks, at: ranks.indexOf(endpoint.rank) };
  const spare = new Spare();
  return {
    axis,
    rank: members.at,
    size: ranks.length,
    ...together(axis, members, spare),
    exchange: (parts, at) => exchange(members, parts, messageKey(axis, "exchange", at)),
    ...between(axis, members, spare),
    subgroup: (places) =>
      directGroup(
        axis,
        endpoint,
        places.map((i) => ranks[i]!),
      ),
  };
}

const calls = { allReduce: "all-reduce", reduceScatter: "reduce-scatter", allGather: "all-gather" } as const;

type Op = keyof typeof calls;

function together(axis: string, members: Members, spare: Spare): Pick<Group, Op> {
  const { ranks, at: place } = members;
  const chunkOf = (size: number): number => chunkSize([size], ranks.length, place);
  const carry = async (op: Op, xs: readonly Tensor[], shapes: readonly Shape[], at: string): Promise<Tensor[]> => {
    const key = messageKey(axis, calls[op], at);
    check(op, xs, key);
    if (ranks.length === 1) return xs.map((x, i) => reshaped(x, shapes[i]!));
    if (xs.length === 0) return [];
    const vectors = await spare.readAndDispose(xs);
    const into = spare.roomLike(vectors[0]!, shapes.map(elements));
    await run(op, members, vectors, key, into);
    const tensors = into.map((vector, i) => toTensor(vector, shapes[i]!));
    spare.give(vectors);
    spare.give(into);
    return tensors;
  };
  return {
    allReduce: (xs, at) => {
      const shapes = xs.map(({ shape }) => shape);
      return carry("allReduce", xs, shapes, at);
    },
    reduceScatter: (xs, at) => {
      const shapes = xs.map(({ size }) => [chunkOf(size)]);
      return carry("reduceScatter", xs, shapes, at);
    },
    allGather: (chunks, shapes, at) => {
      const wrong = shapes.findIndex((shape, i) => chunks[i]?.size !== chunkOf(elements(shape)));
      if (wrong < 0) return carry("allGather", chunks, shapes, at);
      tf.dispose([...chunks]);
      const want = `this member's chunk of [${shapes[wrong]!.join(", ")}] has ${chunkOf(elements(shapes[wrong]!))} elements`;
      return Promise.reject(new Error(`${axis}.all-gather ${at}: ${want}, not ${chunks[wrong]?.size ?? "none"}`));
    },
  };
}

/** Disposes tensors that a call cannot carry or add up, and throws. */
function check(op: Op | "send", xs: readonly Tensor[], key: string): void {
  checkTensors(key, xs);
  try {
    refuseSum({ op, dtype: xs[0]?.dtype ?? "float32" });
  } catch (cause) {
    tf.dispose([...xs]);
    throw new Error(`${key}: ${(cause as Error).message}`, { cause });
  }
}

function run(op: Op, members: Members, vectors: readonly Carried[], key: string, into: readonly Carried[]) {
  if (op === "allReduce") return allReduce(members, vectors, key, into);
  if (op === "reduceScatter") return reduceScatter(members, vectors, key, into);
  const sizes = into.map(({ length }) => length);
  return allGather(members, vectors, sizes, key, into);
}

/** Sends bytes all to all; each begins with the member after it, so that not all send to the same one. */
async function exchange(
  { endpoint, ranks, at }: Members,
  parts: readonly Uint8Array[],
  key: string,
): Promise<Uint8Array[]> {
  if (parts.length !== ranks.length)
    throw new Error(`${key}: ${parts.length} parts for ${ranks.length} members: give each one, which may be empty`);
  const next = [...ranks.keys()].map((i) => (at + i) % ranks.length).slice(1);
  const sent = next.map((i) => endpoint.send([ranks[i]!], key, toFrame(parts[i]!)));
  const received = ranks.map(async (rank, i) => (i === at ? parts[at]! : (await endpoint.recv(rank, key)).data));
  const [all] = await Promise.all([Promise.all(received), ...sent]);
  return all;
}

const between = (axis: string, { endpoint, ranks }: Members, spare: Spare): Pick<Group, "send" | "recv"> => ({
  async send(to, x, at) {
    const key = messageKey(axis, "send", at);
    const { shape } = x;
    check("send", [x], key);
    const [vector] = await spare.readAndDispose([x]);
    await endpoint.send([ranks[to]!], key, toFrame(vector!, shape));
    spare.give([vector!]);
  },
  async recv(from, at) {
    const key = messageKey(axis, "send", at);
    return tensorOf(key, await endpoint.recv(ranks[from]!, key));
  },
});
