// Checkpoints of ranks that do not see the first rank's disk: their parts travel there to be written, and from there to be loaded, a
// tensor at a time. Both sides know from the plan what comes.
import { StallError } from "../errors.ts";
import { toFrame, toVector } from "../group/vectors.ts";
import type { Endpoint, Frame } from "../transports/endpoint.ts";
import { toFrameOfJson, toJson } from "../transports/frames.ts";
import { messageKey, world } from "../transports/key.ts";
import type { Extent } from "./extent.ts";
import type { Vectors } from "./extra.ts";
import type { Values } from "./load.ts";
import type { Source } from "./parts.ts";
import type { Part } from "./shards.ts";

/** Waits through stalls: a disk may be slow, and a rank that is gone ends the wait by itself. */
export async function patiently(receive: () => Promise<Frame>): Promise<Frame> {
  for (;;)
    try {
      return await receive();
    } catch (error) {
      if (!(error instanceof StallError)) throw error;
    }
}

const partKey = (step: number, name: string, slot?: number): string =>
  messageKey(world, "part", `step ${step} ${name}${slot === undefined ? "" : ` slot ${slot}`}`);

const valueKey = (name: string, slot?: number): string =>
  messageKey(world, "restored", `${name}${slot === undefined ? "" : ` slot ${slot}`}`);

/** Sends the parts of a shard to the first rank, in the order in which they are written. */
export async function sendParts(
  endpoint: Endpoint,
  step: number,
  parts: readonly Part[],
  source: Source,
): Promise<void> {
  for (const { spec } of parts)
    await endpoint.send([0], partKey(step, spec.name), toFrame(await source.piece(spec.name)));
  for (const { spec, slots } of parts) {
    const values = slots ? await source.slots(spec.name) : [];
    for (const [slot, one] of values.entries()) await endpoint.send([0], partKey(step, spec.name, slot), toFrame(one));
  }
  await sendVectors(endpoint, 0, `step ${step}`, await source.extra());
}

const extraKey = (about: string, name?: string): string =>
  messageKey(world, "extra", name === undefined ? about : `${about} ${name}`);

/** Sends vectors, their names first. */
async function sendVectors(endpoint: Endpoint, to: number, about: string, vectors: Vectors): Promise<void> {
  await endpoint.send([to], extraKey(about), toFrameOfJson([...vectors.keys()]));
  for (const [name, vector] of vectors) await endpoint.send([to], extraKey(about, name), toFrame(vector));
}

async function receiveVectors(endpoint: Endpoint, from: number, about: string): Promise<Vectors> {
  const names = toJson<string[]>(await patiently(() => endpoint.recv(from, extraKey(about))));
  const vectors = new Map<string, Float32Array>();
  for (const name of names)
    vectors.set(name, toVector(await patiently(() => endpoint.recv(from, extraKey(about, name)))) as Float32Array);
  return vectors;
}

/** Reads, on the first rank, what `sendParts` sends from another. */
export function received(endpoint: Endpoint, from: number, step: number, slots: number): Source {
  const take = async (key: string): Promise<Float32Array> =>
    toVector(await patiently(() => endpoint.recv(from, key))) as Float32Array;
  return {
    piece: (name) => take(partKey(step, name)),
    slots: (name) => Promise.all(Array.from({ length: slots }, (_, slot) => take(partKey(step, name, slot)))),
    extra: () => receiveVectors(endpoint, from, `step ${step}`),
  };
}

/** Sends a rank its extra state of a checkpoint. */
export const serveExtra = (endpoint: Endpoint, to: number, vectors: Vectors): Promise<void> =>
  sendVectors(endpoint, to, "restored", vectors);

/** Reads what `serveExtra` sends. */
export const servedExtra = (endpoint: Endpoint): Promise<Vectors> => receiveVectors(endpoint, 0, "restored");

/** What a rank keeps of a parameter, to be loaded. */
export interface Wanted {
  readonly name: string;
  readonly extent: Extent;
  readonly slots: number;
}

/** Sends a rank what it wants of a checkpoint. */
export async function serveValues(
  endpoint: Endpoint,
  to: number,
  wanted: readonly Wanted[],
  values: Values,
): Promise<void> {
  for (const { name, extent, slots } of wanted) {
    await endpoint.send([to], valueKey(name), toFrame(await values.piece(name, extent)));
    for (let slot = 0; slot < slots; slot++)
      await endpoint.send([to], valueKey(name, slot), toFrame(await values.slot(name, slot, extent)));
  }
}

/** Reads what `serveValues` sends. */
export function servedValues(endpoint: Endpoint): Values {
  const take = async (key: string): Promise<Float32Array> =>
    toVector(await patiently(() => endpoint.recv(0, key))) as Float32Array;
  return {
    piece: (name) => take(valueKey(name)),
    slot: (name, slot) => take(valueKey(name, slot)),
    close: async () => {},
  };
}
