// Runs that meet another under their name: with another secret, none, an earlier epoch, or all alike. The one that was
// there goes on, the other ends at once, and both say why. And a server that cuts off who reads: it goes on, or is named.
import type { Program, Scene } from "../faults/processes.ts";
import { seconds, until } from "../faults/processes.ts";
import { patience, runName } from "../faults/runs.ts";
import type { HostileJob } from "./rank.ts";
import { ended, standing, startRanks } from "./runs.ts";

export interface StrangerCase {
  readonly name: string;
  readonly run: (scene: Scene) => Promise<string>;
}

const saying = (programs: readonly Program[], pattern: RegExp): string | undefined =>
  programs.flatMap(({ lines }) => lines.map(({ text }) => pattern.exec(text)?.[0] ?? "")).find((text) => text !== "");

/** A run stands while another of its name is started with `secret`. */
async function refusedBy(scene: Scene, secret: string | undefined, job: Partial<HostileJob>, says: [RegExp, RegExp]) {
  const { url } = await scene.server();
  const run = runName();
  const ranks = startRanks(scene, url, { run, epoch: 3 });
  await standing(ranks);
  const own = process.env.ORTHANT_SECRET;
  if (secret === undefined) delete process.env.ORTHANT_SECRET;
  else process.env.ORTHANT_SECRET = secret;
  const from = performance.now();
  const strangers = startRanks(scene, url, { run, epoch: 3, ...job });
  process.env.ORTHANT_SECRET = own;
  await until("the strangers to end", patience, () => strangers.every((each) => each.ended !== undefined));
  const took = seconds(performance.now() - from);
  const silent = strangers.find((stranger) => !saying([stranger], says[0]));
  if (silent) throw new Error(`a stranger never said ${says[0]}:\n${silent.tail()}`);
  const warned = await until(`a rank to say ${says[1]}`, 15_000, () => saying(ranks, says[1]));
  for (const rank of ranks) rank.signal("SIGUSR2");
  await ended(ranks);
  return `gone after ${took}: "${saying(strangers, says[0])}"; here: "${warned}"`;
}

const another = "some other secret, as long as any";
const own = (): string => process.env.ORTHANT_SECRET ?? "";

export const strangers: readonly StrangerCase[] = [
  {
    name: "another secret",
    run: (scene) =>
      refusedBy(scene, another, {}, [/the clients in its lobby have another secret[^\n]*/, /hellos of another secret/]),
  },
  {
    name: "no secret",
    run: (scene) =>
      refusedBy(scene, undefined, {}, [/the clients in its lobby have a secret[^\n]*/, /hellos of no secret/]),
  },
  {
    name: "an old epoch",
    run: (scene) =>
      refusedBy(scene, own(), { epoch: 1 }, [
        /is in epoch 3, this client says 1/,
        /refused a client: .*this client says 1/,
      ]),
  },
  {
    name: "the same run name",
    run: (scene) =>
      refusedBy(scene, own(), {}, [
        /goes on with its own rank \d[^\n]*/,
        /refused a client: .*goes on with its own rank/,
      ]),
  },
];

/** A server that holds little for a client: the run goes on with smaller parts, or ends, naming who is slow. */
export const slowConsumer: StrangerCase = {
  name: "a server with max_pending 1MB, write_deadline 100ms",
  async run(scene) {
    const server = await scene.server('max_pending: 1MB\nwrite_deadline: "100ms"');
    const ranks = startRanks(scene, server.url, { stands: -1 });
    await until("all ranks to end", patience, () => ranks.every((rank) => rank.ended !== undefined));
    const slow = saying(ranks, /rank \d is a slow consumer: [^\n]*/);
    if (ranks.every((rank) => rank.ended === 0)) return "the run went on to its end";
    if (!slow) throw new Error(`nobody named a slow consumer:\n${ranks[0]?.tail()}`);
    return `"${slow}"`;
  },
};
