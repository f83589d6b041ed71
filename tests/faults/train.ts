// What every process of a case runs: trains the job of its argument, with the fault that the job names for this rank, and
// says its pid, the steps it was in and the losses.
import { type Endpoint, type Host, memory, spread, train, type Wire } from "@orthant/core";
import { joinNats, type NatsTicket, nats } from "@orthant/transport-nats";
import { Clock, fatalOptions, fatalTransport } from "./deaths.ts";
import { ballasted, blocked, hung, told } from "./disturbed.ts";
import { type Job, optionsOf } from "./job.ts";

const job = JSON.parse(process.argv[2] ?? "{}") as Job;
const hostName = Symbol.for("orthant.host");
const shelf = globalThis as { [name: symbol]: unknown };
const clock = new Clock();

/** The wire that the job names, or the launcher's; none where all ranks are here. */
function wireOf({ nats: way, credit }: Job): Wire | undefined {
  const launched = shelf[hostName] as Host | undefined;
  if (!way) return launched?.wire;
  const { servers, run, rank } = way;
  return nats({ servers, run, ranks: [rank], ...(credit && { credit }) }).wire;
}

function disturb(inner: Endpoint): Endpoint {
  const { rank } = inner;
  const { dies, hangs, blocks, ballast } = job;
  const one = dies?.rank === rank ? fatalTransport(inner, dies.moment, clock) : inner;
  const two = hangs?.rank === rank ? hung(one, hangs.key) : one;
  const three = blocks?.rank === rank ? blocked(two, blocks.ms) : two;
  return told(ballast ? ballasted(three, ballast) : three);
}

function disturbedWire(wire: Wire): Wire {
  const join = (ticket: unknown, thread: number): ReadonlyMap<number, Endpoint> =>
    job.stall ? joinNats(ticket as NatsTicket, thread, { stall: job.stall }) : wire.join(ticket, thread);
  return {
    ...wire,
    async open(wireJob) {
      console.log("meets");
      const { dies } = job;
      if (dies?.moment === "meeting" && wire.ranks?.includes(dies.rank)) await new Promise((go) => setTimeout(go, 1e6));
      return wire.open(wireJob);
    },
    join: (ticket, thread) => new Map([...join(ticket, thread)].map(([rank, transport]) => [rank, disturb(transport)])),
  };
}

console.log(`pid ${process.pid}`);
const wire = wireOf(job);
const transport = wire ? spread(disturbedWire(wire), { workers: 1 }) : memory();
if (shelf[hostName]) shelf[hostName] = transport;
const options = await optionsOf(job);
const mine = job.dies && wire?.ranks?.includes(job.dies.rank);
const { losses } = await train({
  ...(mine && job.dies ? fatalOptions(options, job.dies.moment, clock) : options),
  transport,
});
console.log(`losses ${JSON.stringify(losses)}`);
