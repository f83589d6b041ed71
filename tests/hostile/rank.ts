// One rank of a run that is attacked: trains the tiny model, stands at a step until it hears SIGUSR2, and says its losses,
// what its client counted, and its largest memory. The secret comes in ORTHANT_SECRET.
import { readFileSync } from "node:fs";
import { type Endpoint, type Transport, train } from "@orthant/core";
import { atOfKey, callOfKey, messageKey, world } from "@orthant/core/transport-kit";
import { type NatsEndpoint, nats } from "@orthant/transport-nats";
import { optionsOf } from "../faults/job.ts";

export interface HostileJob {
  readonly servers: string;
  readonly run: string;
  readonly rank: number;
  readonly epoch: number;
  readonly steps: number;
  /** Stands at the end of this step. */
  readonly stands?: number;
}

const control = messageKey(world, "control");
const { steps, stands, rank, ...way }: HostileJob = JSON.parse(process.argv[2] ?? "");
const go = new Promise((resolve) => process.once("SIGUSR2", resolve));
const pin = setInterval(() => {}, 1000);

/**
 * The largest memory of this process, KiB. Linux counts in `maxRSS` what the process that started this one had, so that its
 * own word goes first where there is one.
 */
function largest(): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
  } catch {
    return process.resourceUsage().maxRSS;
  }
}

/** Says what was counted, and lets the process end. */
function last(endpoint: NatsEndpoint): void {
  console.log(`counts ${JSON.stringify(endpoint.counts())}`);
  console.log(`memory ${largest()}`);
  clearInterval(pin);
}

/** Says each step as it ends, stands where it is to, and at the end says what was counted. */
const told = (inner: NatsEndpoint): Endpoint => ({
  ...inner,
  async send(to, key, frame) {
    if (callOfKey(key) === control) console.log(atOfKey(key));
    if (key === messageKey(world, "control", `step ${stands}`)) await go;
    return inner.send(to, key, frame);
  },
  async close(failure) {
    await inner.close(failure);
    last(inner);
  },
});

/** Bytes that others may have here and on the way here: little, so that memory shows who takes more. */
const little = { credit: 2 ** 21, window: 2 ** 21 };
const over = nats({ ...way, ...little, ranks: [rank], gather: 180_000, stall: 240_000 }); // a busy machine may start strangers slowly
const mine: NatsEndpoint[] = [];
const transport: Transport = {
  ...over,
  workers: 1,
  join(ticket, thread) {
    const endpoints = [...over.join(ticket, thread)] as [number, NatsEndpoint][];
    mine.push(...endpoints.map(([, endpoint]) => endpoint));
    return new Map(endpoints.map(([at, endpoint]) => [at, told(endpoint)]));
  },
};
console.log(`pid ${process.pid}`);
const options = await optionsOf({ model: "tiny", mesh: { pp: 2, dp: 2 }, steps });
const { losses } = await train({ ...options, transport });
console.log(`losses ${JSON.stringify(losses)}`);
for (const endpoint of mine) last(endpoint); // rank 0's stays open until its process ends: the script might train again
