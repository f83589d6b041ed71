// What every process of a case runs: trains the job of its argument, with the fault that the job names for this rank, and
// says its pid, the steps it was in and the losses.
import { type Endpoint, memory, type Transport, train } from "@orthant/core";
import { joinNats, type NatsTicket, nats } from "@orthant/transport-nats";
import { Clock, fatalOptions, fatalTransport } from "./deaths.ts";
import { ballasted, blocked, hung, told } from "./disturbed.ts";
import { type Job, optionsOf } from "./job.ts";

const job = JSON.parse(process.argv[2] ?? "{}") as Job;
const name = Symbol.for("orthant.transport");
const shelf = globalThis as { [name: symbol]: unknown };
const clock = new Clock();

/** The transport that the job names, or the launcher's; none where all ranks are here. */
function transportOf({ nats: way, credit }: Job): Transport | undefined {
  if (!way) return shelf[name] as Transport | undefined;
  const { servers, run, rank } = way;
  return nats({ servers, run, ranks: [rank], ...(credit && { credit }) });
}

function disturb(inner: Endpoint): Endpoint {
  const { rank } = inner;
  const { dies, hangs, blocks, ballast } = job;
  const one = dies?.rank === rank ? fatalTransport(inner, dies.moment, clock) : inner;
  const two = hangs?.rank === rank ? hung(one, hangs.key) : one;
  const three = blocks?.rank === rank ? blocked(two, blocks.ms) : two;
  return told(ballast ? ballasted(three, ballast) : three);
}

function disturbed(inner: Transport): Transport {
  const { dies, stall } = job;
  const join = (ticket: unknown, thread: number): ReadonlyMap<number, Endpoint> =>
    stall ? joinNats(ticket as NatsTicket, thread, { stall }) : inner.join(ticket, thread);
  return {
    ...inner,
    workers: 1,
    async open(opened) {
      console.log("meets");
      if (dies?.moment === "meeting" && inner.ranks?.includes(dies.rank))
        await new Promise((go) => setTimeout(go, 1e6));
      return inner.open(opened);
    },
    join: (ticket, thread) => new Map([...join(ticket, thread)].map(([rank, endpoint]) => [rank, disturb(endpoint)])),
  };
}

console.log(`pid ${process.pid}`);
const inner = transportOf(job);
const transport = inner ? disturbed(inner) : memory();
if (shelf[name]) shelf[name] = transport;
const options = await optionsOf(job);
const mine = job.dies && inner?.ranks?.includes(job.dies.rank);
const { losses } = await train({
  ...(mine && job.dies ? fatalOptions(options, job.dies.moment, clock) : options),
  transport,
});
console.log(`losses ${JSON.stringify(losses)}`);
