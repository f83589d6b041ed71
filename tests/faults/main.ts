// Faults of training over NATS: every case starts a real nats-server and real processes and breaks one of them. Run all
// with `node tests/faults/main.ts`, from the repository's root, or those whose names open with an argument. Exits 1 where
// one failed.
import { chdir } from "node:process";
import { fileURLToPath } from "node:url";
import { killedAt, killedElsewhere, machineLost, moments, serverLost, stall } from "./ended.ts";
import { Scene, seconds } from "./processes.ts";
import { cluster, linkCut, linkMute, losses, rankBlocked, rankStopped, serverRestarted } from "./survived.ts";

type Case = (scene: Scene) => Promise<string>;

const kills = moments.map(([moment, rank]): [string, Case] => [
  `killed at ${moment}`,
  (scene) => killedAt(scene, moment, rank),
]);

/** One after another: they need the machine, or measure time. */
const alone: Record<string, Case> = {
  losses,
  "server restarted": serverRestarted,
  cluster,
  stall,
  ...Object.fromEntries(kills),
  "killed elsewhere": killedElsewhere,
};

/** Side by side: for the most part they wait. */
const waiting: Record<string, Case> = {
  "machine lost": machineLost,
  "server lost": serverLost,
  "link cut": linkCut,
  "link mute": linkMute,
  "rank stopped": rankStopped,
  "rank blocked": rankBlocked,
};

/** Prints how it went; true where it failed. */
async function fails(name: string, run: Case): Promise<boolean> {
  const scene = new Scene();
  const from = performance.now();
  const took = (): string => seconds(performance.now() - from);
  try {
    const seen = await run(scene);
    console.log(`ok      ${name} (${took()}): ${seen}`);
    return false;
  } catch (error) {
    console.log(`FAILED  ${name} (${took()}): ${error instanceof Error ? error.message : error}`);
    return true;
  } finally {
    await scene.close();
  }
}

const chosen = (cases: Record<string, Case>, names: readonly string[]): [string, Case][] => {
  const exact = (name: string): boolean => name in alone || name in waiting;
  const wanted = (name: string): boolean => names.some((n) => (exact(n) ? name === n : name.startsWith(n)));
  return Object.entries(cases).filter(([name]) => names.length === 0 || wanted(name));
};

chdir(fileURLToPath(new URL("../..", import.meta.url)));
const names = process.argv.slice(2);
const [one, many] = [chosen(alone, names), chosen(waiting, names)];
if (one.length + many.length === 0)
  throw new Error(`no such case: ${Object.keys({ ...alone, ...waiting }).join(", ")}`);
const from = performance.now();
const failed = await Promise.all(many.map(([name, run]) => fails(name, run)));
for (const [name, run] of one) failed.push(await fails(name, run));
console.log(`${failed.filter(Boolean).length} of ${failed.length} failed, in ${seconds(performance.now() - from)}`);
process.exit(failed.some(Boolean) ? 1 : 0);
