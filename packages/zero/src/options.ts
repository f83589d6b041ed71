// What `zero` is told, and what it refuses.

import type { Precision } from "./wire/codec.ts";
import type { WireOptions } from "./wire/wire.ts";

/** Where what does not fit the device rests: host memory, or a file of each rank. */
export type Place = "host" | "disk";

/** Where ZeRO keeps what is not in use. */
export interface Offload {
  /** Optimizer state: read ahead of the update and written behind it, by buckets of `bucketBytes`. */
  readonly optimizer?: Place;
  /** Stage 3: this rank's chunks of parameters, read when they are gathered. */
  readonly params?: Place;
  /** Folder for "disk", in which each rank makes one of its own and removes it; the system's for temporary files by default. */
  readonly folder?: string;
}

/** Options of `zero()`. */
export interface ZeroOptions {
  /** What is sharded: 0 nothing, 1 optimizer state, 2 gradients too, 3 parameters too. */
  readonly stage: 0 | 1 | 2 | 3;
  /** The mesh axis whose members train on different samples; "dp" by default. */
  readonly axis?: string;
  /**
   * Bytes of gradients that are reduced in one message, of parameters that are gathered in one; the last of them may be
   * less. 4 MiB by default. 0 for a message a segment.
   */
  readonly bucketBytes?: number;
  /**
   * Stage 3: how long gathered parameters stay. "segment" frees them after use: least memory, two gathers a micro. "micro"
   * keeps those of a forward until its backward is done: one gather a micro. "step" keeps a stage's from its first action to
   * its last: one gather a step. "segment" by default.
   */
  readonly gather?: "segment" | "micro" | "step";
  /** Stage 3: buckets gathered ahead of the one in use; 1 by default. */
  readonly prefetch?: number;
  /** Parameters of at most this many elements stay whole on every member; 0 by default. */
  readonly persist?: number;
  /** What rests off the device; nothing by default. */
  readonly offload?: Offload;
  /**
   * What gradients are reduced as and parameters gathered as: "f32", "bf16", "int8" with a scale a block (ZeRO++: Wang et al.,
   * 2023), or an answer for each direction. Sums are added up in float32. "f32" by default.
   */
  readonly wire?: Precision | Partial<WireOptions>;
  /** Members of the axis on one machine, in blocks: links between machines then carry each byte once. All of them by default. */
  readonly machine?: number;
}

/** The options, each one said. */
export interface Settings extends Required<ZeroOptions> {
  readonly wire: WireOptions;
}

/** The options with their defaults. Throws on what cannot be. */
export function checked({
  stage,
  axis = "dp",
  bucketBytes = 4 * 2 ** 20,
  gather = "segment",
  prefetch = 1,
  persist = 0,
  offload = {},
  wire = "f32",
  machine = Number.POSITIVE_INFINITY,
}: ZeroOptions): Settings {
  if (![0, 1, 2, 3].includes(stage)) throw new Error(`zero({ stage: ${stage} }): the stages there are: 0, 1, 2, 3`);
  if (!["segment", "micro", "step"].includes(gather))
    throw new Error(
      `zero({ gather: "${gather}" }): give "segment" (least memory), "micro" or "step" (fewest bytes sent)`,
    );
  for (const [name, value] of Object.entries({ bucketBytes, persist }))
    if (!(value >= 0)) throw new Error(`zero({ ${name}: ${value} }): give a number from 0`);
  if (!Number.isInteger(prefetch) || prefetch < 0)
    throw new Error(`zero({ prefetch: ${prefetch} }): give a whole number of buckets, from 0`);
  checkOffload(offload, stage);
  if (machine !== Number.POSITIVE_INFINITY && !(Number.isInteger(machine) && machine > 0))
    throw new Error(`zero({ machine: ${machine} }): give the number of members on one machine, from 1`);
  return { stage, axis, bucketBytes, gather, prefetch, persist, offload, wire: checkedWire(wire), machine };
}

function checkOffload({ optimizer, params, folder }: Offload, stage: number): void {
  for (const [name, place] of Object.entries({ optimizer, params }))
    if (place !== undefined && place !== "host" && place !== "disk")
      throw new Error(`zero({ offload: { ${name}: "${place}" } }): give "host" or "disk"`);
  if (params && stage !== 3)
    throw new Error(
      `zero({ stage: ${stage}, offload: { params } }): only stage 3 gathers parameters for their use: use stage: 3`,
    );
  if (folder !== undefined && optimizer !== "disk" && params !== "disk")
    throw new Error(`zero({ offload: { folder } }): nothing goes to disk: set optimizer or params to "disk"`);
}

function checkedWire(wire: Precision | Partial<WireOptions>): WireOptions {
  const given = typeof wire === "string" ? { gather: wire, reduce: wire } : wire;
  const { gather = "f32", reduce = "f32", block = 256 } = given;
  for (const precision of [gather, reduce])
    if (!["f32", "bf16", "int8"].includes(precision))
      throw new Error(`zero({ wire: "${precision}" }): the precisions there are: "f32", "bf16", "int8"`);
  if (!Number.isInteger(block) || block < 1)
    throw new Error(`zero({ wire: { block: ${block} } }): give the elements that share a scale, from 1`);
  return { gather, reduce, block };
}
