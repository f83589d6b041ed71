// Runs that meet another under their name: with another secret, none, an earlier epoch, or all alike. The one that was
// there goes on, the others end at once, and both say why.
import { type Program, type Scene, seconds, until } from "../faults/processes.ts";
import { runName } from "../faults/runs.ts";
import type { HostileJob } from "./rank.ts";
import { ended, patience, standing, startRanks } from "./runs.ts";

interface Stranger {
  readonly name: string;
  /** Its secret; absent where it has the run's, "" where it has none. */
  readonly secret?: string;
  readonly job?: Partial<HostileJob>;
  /** What its ranks say, and what a rank of the run says. */
  readonly there: RegExp;
  readonly here: RegExp;
}

const strangers: readonly Stranger[] = [
  {
    name: "another secret",
    secret: "some other secret, as long as any",
    there: /the clients in its lobby have another secret/,
    here: /hellos of another secret \d+/,
  },
  {
    name: "no secret",
    secret: "",
    there: /the clients in its lobby have a secret, this client has none/,
    here: /hellos of no secret \d+/,
  },
  {
    name: "an old epoch",
    job: { epoch: 1 },
    there: /is in epoch 3, this client says 1/,
    here: /refused a client: .*this client says 1/,
  },
  {
    name: "the same name",
    there: /goes on with its own rank \d: give each run a name of its own/,
    here: /refused a client: .*goes on with its own rank \d/,
  },
];

const textsOf = ({ lines }: Program): string[] => lines.map(({ text }) => text);
const said = (program: Program, pattern: RegExp): string | undefined =>
  textsOf(program).flatMap((text) => pattern.exec(text)?.[0] ?? [])[0];
const complaints = (program: Program): string =>
  textsOf(program)
    .filter((text) => /Error|Warning/.test(text))
    .join("\n");

async function refused(scene: Scene, url: string, ranks: readonly Program[], run: string, stranger: Stranger) {
  const from = performance.now();
  const others = startRanks(scene, url, { run, epoch: 3, ...stranger.job }, stranger.secret);
  await until(`${stranger.name} to end`, patience, () => others.every((other) => other.ended !== undefined));
  const took = performance.now() - from;
  const silent = others.find((other) => said(other, stranger.there) === undefined);
  if (silent) throw new Error(`${stranger.name}: one never said ${stranger.there}:\n${complaints(silent)}`);
  const warned = (): string | undefined => ranks.flatMap((rank) => said(rank, stranger.here) ?? [])[0];
  const here = await until(`a rank to say ${stranger.here}`, 15_000, warned);
  console.log(
    `  ${stranger.name}: ended ${seconds(took)} after its start: "${said(others[0] as Program, stranger.there)}"`,
  );
  console.log(`    here: "${here}"`);
}

/** A run stands while others of its name are started, one after the other, and then goes on to its end. */
export async function refusesStrangers(scene: Scene): Promise<string> {
  const { url } = await scene.server();
  const run = runName();
  const ranks = startRanks(scene, url, { run, epoch: 3 });
  await standing(ranks);
  for (const stranger of strangers) await refused(scene, url, ranks, run, stranger);
  for (const rank of ranks) rank.signal("SIGUSR2");
  await ended(ranks);
  return "each was refused on both sides, and the run went on";
}
