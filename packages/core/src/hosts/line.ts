// The way between processes once a run is over: those without rank 0 wait, with its endpoint open, for whether the script goes on to
// another call, and are told then what this one came to. Where the process of rank 0 ends, so do they.
import { StallError } from "../errors.ts";
import { toFrame, toVector } from "../group/vectors.ts";
import type { Endpoint } from "../transports/endpoint.ts";
import { toFrameOfJson, toJson } from "../transports/frames.ts";
import { messageKey, world } from "../transports/key.ts";
import type { Line, PastCall } from "./past.ts";

interface Ends {
  readonly endpoints: readonly Endpoint[];
  /** The first rank of each other process, for rank 0. */
  readonly leads: readonly number[];
}

type WithWeights = PastCall<{ readonly weights: ReadonlyMap<string, Float32Array> }>;

const pastKey = (weight?: string): string => messageKey(world, "past", weight);

async function passTo(endpoint: Endpoint, leads: readonly number[], { result, ...past }: WithWeights): Promise<void> {
  const { weights = new Map<string, Float32Array>(), ...rest } = result ?? {};
  await endpoint.send([...leads], pastKey(), toFrameOfJson({ ...past, result: rest, names: [...weights.keys()] }));
  for (const [name, values] of weights) await endpoint.send([...leads], pastKey(name), toFrame(values));
}

async function hear(endpoint: Endpoint): Promise<PastCall> {
  const head = await endpoint.recv(0, pastKey()).catch((error: unknown) => {
    if (error instanceof StallError) return undefined; // the script takes its time
    throw error;
  });
  if (!head) return hear(endpoint);
  const { names, result, ...past } = toJson<PastCall<object> & { names: string[] }>(head);
  const weights = new Map<string, Float32Array>();
  for (const name of names) weights.set(name, toVector(await endpoint.recv(0, pastKey(name))).slice() as Float32Array);
  return { ...past, result: { ...result, weights } };
}

/** Keeps the endpoints of this process's ranks open. Where the process ends they are closed in order: the run is over. */
export function lineOf({ endpoints, leads }: Ends): Line {
  const close = () => {
    process.off("exit", close);
    return Promise.all(endpoints.map((endpoint) => endpoint.close()));
  };
  process.prependOnceListener("exit", close); // before the transport looks which ranks are there still
  return {
    async pass(past) {
      if (leads.length) await passTo(endpoints.find(({ rank }) => rank === 0)!, leads, past as WithWeights);
      await close();
    },
    async wait() {
      const past = await hear(endpoints[0]!).catch(() => undefined); // rank 0 is gone
      await close();
      return past;
    },
  };
}
