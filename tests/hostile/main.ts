// Attacks on training over NATS: every case starts four real processes that share a server and a secret, and a client that
// may use their subjects and has not the secret. The losses are those of an undisturbed run to the last bit, the job does
// not stop, memory stays, and the ranks say what was tried. Run all with `npm run test:hostile`, or those whose names hold
// an argument. Exits 1 where one failed.
import { chdir, env } from "node:process";
import { fileURLToPath } from "node:url";
import { Scene, seconds } from "../faults/processes.ts";
import { type Attack, attacks } from "./attacks.ts";
import { type Outcome, trained } from "./runs.ts";
import { cutOff } from "./slow.ts";
import { refusesStrangers } from "./strangers.ts";

/** Memory of a rank, over that of an undisturbed run. */
const limit = 1.2;

const ratioOf = (memory: readonly number[], calm: readonly number[]): number =>
  Math.max(...memory.map((bytes, rank) => bytes / (calm[rank] as number)));

/** Prints a row; true where all held. */
function row({ name, named }: Attack, calm: Outcome, seen: Outcome, took: number): boolean {
  const equal = seen.losses === calm.losses && seen.losses !== "";
  const says = seen.warnings.some((warning) => named.test(warning));
  const ratio = ratioOf(seen.memory, calm.memory);
  const held = equal && says && seen.refused > 0 && ratio <= limit;
  const cells = [name.padEnd(46), String(seen.sent).padStart(7), String(seen.refused).padStart(8)];
  const more = [says ? "yes" : "NO", ratio.toFixed(2), equal ? "equal" : "DIFFER", seconds(took)];
  console.log([...cells, ...more.map((cell) => cell.padStart(7)), held ? "ok" : "FAILED"].join(" "));
  if (!says) for (const warning of seen.warnings) console.log(`    ${warning}`);
  return held;
}

async function inScene<T>(work: (scene: Scene) => Promise<T>): Promise<T> {
  const scene = new Scene();
  try {
    return await work(scene);
  } finally {
    await scene.close();
  }
}

const calmOf = (): Promise<Outcome> =>
  inScene(async (scene) => trained(scene, (await scene.server("max_payload: 1MB")).url));

async function attacked(attack: Attack, calm: Outcome): Promise<boolean> {
  const from = performance.now();
  try {
    const seen = await inScene(async (scene) => trained(scene, (await scene.server()).url, attack));
    return row(attack, calm, seen, performance.now() - from);
  } catch (error) {
    console.log(`${attack.name.padEnd(46)} FAILED: ${error instanceof Error ? error.message : error}`);
    return false;
  }
}

interface Case {
  readonly name: string;
  readonly run: (scene: Scene) => Promise<string>;
}

const cases: readonly Case[] = [
  { name: "strangers under the run's name", run: refusesStrangers },
  { name: "a server with max_pending 1MB, write_deadline 100ms", run: cutOff },
];

async function passes({ name, run }: Case): Promise<boolean> {
  try {
    console.log(`ok      ${name}: ${await inScene(run)}`);
    return true;
  } catch (error) {
    console.log(`FAILED  ${name}: ${error instanceof Error ? error.message : error}`);
    return false;
  }
}

/** Two at a time: for half of it they start and wait. */
async function byTwos<T>(items: readonly T[], work: (item: T) => Promise<boolean>): Promise<boolean[]> {
  const held: boolean[] = [];
  const queue = [...items];
  const next = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) held.push(await work(item));
  };
  await Promise.all([next(), next()]);
  return held;
}

chdir(fileURLToPath(new URL("../..", import.meta.url)));
// V8 keeps little room for garbage, and malloc one arena: what a rank then has at its peak, it holds.
Object.assign(env, { NODE_OPTIONS: "--max-semi-space-size=2", MALLOC_ARENA_MAX: "1" });
const words = process.argv.slice(2);
const chosen = <T extends { readonly name: string }>(cases: readonly T[]): readonly T[] =>
  cases.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
const from = performance.now();
const calm = await calmOf();
const memory = calm.memory.map((kib) => Math.round(kib / 1024)).join(", ");
console.log(`undisturbed: ${JSON.parse(calm.losses).length} steps, ${memory} MiB, ${calm.refused} refused\n`);
console.log(`${"attack".padEnd(46)} messages  refused   named  memory  losses    time`);
const held = await byTwos(chosen(attacks), (attack) => attacked(attack, calm));
console.log();
for (const each of chosen(cases)) held.push(await passes(each));
const failed = held.filter((each) => !each).length;
console.log(`${failed} of ${held.length} failed, in ${seconds(performance.now() - from)}`);
process.exit(failed || held.length === 0 ? 1 : 0);
