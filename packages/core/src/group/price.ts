// What a call of a group costs in bytes, and which calls are refused: pure, so that a plan knows both before a worker starts.
import { type DTypeName, elementBytes } from "../transports/dtypes.ts";
import { chunkSize } from "./slices.ts";
import { sentAlongTree, usesTree } from "./tree.ts";

/** One call of a group, as every member makes it. */
export interface Call {
  readonly op: "allReduce" | "reduceScatter" | "allGather" | "exchange" | "send";
  /** Elements of each tensor that one member hands in; of an all-gather, of each whole tensor. */
  readonly sizes: readonly number[];
  /** "float32" by default. */
  readonly dtype?: DTypeName;
}

/** What the members may add up without a loss of meaning. */
const summed: readonly string[] = ["float32", "float64", "int32"];

const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0);

/** Elements that all members send in a collective over a tree. */
function overTree({ op, sizes }: Call, members: number): number {
  const whole = sum(sizes);
  const chunks = sentAlongTree(Array.from({ length: members }, (_, i) => chunkSize(sizes, members, i)));
  const wholeUp = sentAlongTree(Array.from({ length: members }, () => whole));
  if (op === "allReduce") return wholeUp + (members - 1) * whole;
  return op === "reduceScatter" ? wholeUp + chunks : chunks + (members - 1) * whole;
}

/**
 * Prices a call: the bytes that all members of one group send together, exactly those that `counted` counts. Of an exchange
 * (an all-to-all), each member sends (N-1)/N of what it hands in; of a send, it is the bytes of the one that sends.
 */
export function bytesOf(call: Call, members: number): number {
  const { op, sizes, dtype = "float32" } = call;
  const [size, whole] = [elementBytes[dtype], sum(sizes)];
  if (members === 1) return 0;
  if (op === "send") return size * whole;
  if (op !== "exchange" && usesTree(members, size * whole)) return size * overTree(call, members);
  return size * (op === "allReduce" ? 2 : 1) * (members - 1) * whole;
}

/** Throws where `op` adds up what has no sum. `dtype` may be a tensor's too: bool, string, complex64. */
export function refuseSum({ op, dtype = "float32" }: { readonly op: Call["op"]; readonly dtype?: string }): void {
  if ((op !== "allReduce" && op !== "reduceScatter") || summed.includes(dtype)) return;
  throw new Error(
    `${op} of ${dtype}: sums are of ${summed.join(", ")}; convert to float32, or exchange() the bytes and add them up yourself`,
  );
}
