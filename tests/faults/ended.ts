// Faults that end a job: every process stops, and what it says last names the rank that is to blame.
import { messageKey } from "@orthant/core/transport-kit";
import type { Job, Moment } from "./job.ts";
import { type Program, type Scene, seconds, until } from "./processes.ts";
import { gone, launch, patience, runName } from "./runs.ts";

/** ms within which every process of a run has ended once a rank was killed. */
const limit = 5000;

const four: Job = { model: "tiny", mesh: { pp: 2, dp: 2 }, steps: 100 };

/** Each kind of action, and a rank that performs it: 0 and 1 run the first stage, 2 and 3 the last. */
export const moments: readonly (readonly [moment: Moment, rank: number])[] = [
  ["F", 0],
  ["B", 3],
  ["SEND_F", 1],
  ["RECV_F", 2],
  ["SEND_B", 2],
  ["RECV_B", 1],
  ["UNSHARD", 0],
  ["RESHARD", 2],
  ["REDUCE_GRAD", 3],
  ["world.control", 1],
  ["update", 0],
  ["meeting", 2],
];

/** Throws where a rank of `ranks` wrote no line that matches. */
export function checkNamed(launcher: Program, ranks: readonly number[], pattern: RegExp): void {
  const lines = launcher.lines.filter(({ text }) => pattern.test(text));
  const silent = ranks.filter((rank) => !lines.some((line) => line.ranks.includes(rank)));
  if (silent.length) throw new Error(`ranks ${silent} never said ${pattern}:\n${launcher.tail()}`);
}

const others = (rank: number): number[] => [0, 1, 2, 3].filter((other) => other !== rank);

/** When the rank died, on the wall clock: it says so itself, but in a meeting that it never comes to. */
async function death(launcher: Program, moment: Moment, rank: number): Promise<number> {
  if (moment !== "meeting") return Number((await launcher.said(/^dies at (\d+)$/, patience))[1]);
  const meets = (): number[] => launcher.lines.filter(({ text }) => text === "meets").flatMap(({ ranks }) => ranks);
  await until("all ranks to meet", patience, () => new Set(meets()).size === 4);
  const line = launcher.lines.find(({ ranks, text }) => ranks.includes(rank) && text.startsWith("pid "));
  process.kill(Number(line?.text.slice(4)), "SIGKILL");
  return Date.now();
}

export async function killedAt(scene: Scene, moment: Moment, rank: number): Promise<string> {
  const server = await scene.server();
  const job: Job = { ...four, dies: { rank, moment } };
  const launcher = launch(scene, job, ["--nats", server.url, "--run", runName()]);
  const when = await death(launcher, moment, rank);
  const took = await gone([launcher], when, 3 * limit);
  if (launcher.pids.size !== 5) throw new Error(`${launcher.pids.size - 1} ranks started, not 4`);
  const killed = `rank ${rank} was killed by SIGKILL`;
  checkNamed(launcher, others(rank), new RegExp(killed));
  const last = launcher.lines.at(-1)?.text ?? "";
  if (!last.startsWith(`orthant run: ${killed}`)) throw new Error(`the launcher's last line is "${last}"`);
  if (launcher.ended !== 137) throw new Error(`the launcher ended with ${launcher.ended}, not 137`);
  if (took > limit) throw new Error(`the last process ended after ${seconds(took)}, not ${seconds(limit)}`);
  return `rank ${rank} named by all, nobody left after ${seconds(took)}`;
}

/** A rank is killed on one of two machines: those of the other hear it too. */
export async function killedElsewhere(scene: Scene): Promise<string> {
  const server = await scene.server();
  const job: Job = { ...four, dies: { rank: 3, moment: "F" } };
  const [here, there] = launchNodes(scene, job, server.url);
  const when = await death(there, "F", 3);
  const took = await gone([here, there], when, 3 * limit);
  const killed = /rank 3 was killed by SIGKILL/;
  checkNamed(here, [0, 1], killed);
  checkNamed(there, [2], killed);
  for (const { lines } of [here, there])
    if (!killed.test(lines.at(-1)?.text ?? "")) throw new Error(`a launcher's last line is "${lines.at(-1)?.text}"`);
  if (took > limit) throw new Error(`the last process ended after ${seconds(took)}, not ${seconds(limit)}`);
  return `rank 3 named on both, nobody left after ${seconds(took)}, exit codes ${here.ended} and ${there.ended}`;
}

/** Ranks 0 and 1 on one machine, 2 and 3 on another. */
function launchNodes(scene: Scene, job: Job, server: string): [Program, Program] {
  const run = ["--nats", server, "--run", runName(), "--nodes", "2"];
  return [launch(scene, job, [...run, "--node-rank", "0"]), launch(scene, job, [...run, "--node-rank", "1"])];
}

/** One of two machines is lost with all its processes: only their silence tells, after 30 s. */
export async function machineLost(scene: Scene): Promise<string> {
  const server = await scene.server();
  const [here, lost] = launchNodes(scene, { ...four, steps: 100_000 }, server.url);
  await Promise.all([here, lost].map((node) => node.said(/^step 2$/, patience)));
  lost.endAll();
  const when = Date.now();
  const took = await gone([here], when, 45_000);
  const silent = /rank [23] gave no sign of life for \d+ ms, silence allows 30000/;
  checkNamed(here, [0, 1], silent);
  const last = here.lines.at(-1)?.text ?? "";
  if (!/^orthant run: rank/.test(last) || !silent.test(last)) throw new Error(`the launcher's last line is "${last}"`);
  return `"${silent.exec(last)?.[0]}" from all, nobody left after ${seconds(took)}, exit code ${here.ended}`;
}

/** Rank 5 never enters a collective: all are told which, and where rank 5 was last. */
export async function stall(scene: Scene): Promise<string> {
  const key = messageKey("dp", "all-gather", "step 2 gather");
  const mesh = { pp: 2, dp: 2, tp: 2 };
  const job: Job = { ...four, mesh, stall: 2000, hangs: { rank: 5, key } };
  const server = await scene.server();
  const launcher = launch(scene, job, ["--nats", server.url, "--run", runName()]);
  await launcher.said(/^step 1$/, patience);
  const took = await gone([launcher], Date.now(), patience);
  const blame = /rank 5 never entered [a-z]+\.\S+ step 2 .*?\(last seen: [a-z]+\.\S+ step \d[^)]*\)/;
  checkNamed(launcher, [0, 1, 2, 3, 4, 6, 7], blame);
  const last = launcher.lines.at(-1)?.text ?? "";
  if (!last.startsWith("orthant run: ") || !blame.test(last)) throw new Error(`the launcher's last line is "${last}"`);
  return `"${/rank 5 never entered [^)]*\)/.exec(last)?.[0]}" from all, nobody left after ${seconds(took)}`;
}

/** The server is gone for good: after 30 s every rank says so. */
export async function serverLost(scene: Scene): Promise<string> {
  const server = await scene.server();
  const job: Job = { ...four, steps: 100_000 };
  const launcher = launch(scene, job, ["--nats", server.url, "--run", runName()]);
  await launcher.said(/^step 2$/, patience);
  await server.kill();
  const took = await gone([launcher], Date.now(), 45_000);
  const lost = /no connection to nats:\S+ for \d+ ms/;
  checkNamed(launcher, [0, 1, 2, 3], lost);
  const last = launcher.lines.at(-1)?.text ?? "";
  if (!/^orthant run: /.test(last) || !lost.test(last)) throw new Error(`the launcher's last line is "${last}"`);
  return `"${lost.exec(last)?.[0]}" from all and the launcher, nobody left after ${seconds(took)}`;
}
