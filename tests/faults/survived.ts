// Faults that a job survives: in each case every process ends by itself, with the losses of a run in one process.

import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout } from "node:timers/promises";
import type { TestServer } from "@orthant/testing/nats-server";
import type { Job } from "./job.ts";
import { type Scene, seconds } from "./processes.ts";
import { LinkProxy } from "./proxy.ts";
import { checkLosses, patience, reference, startRanks } from "./runs.ts";

/** ms that a link, a process or a thread is out of order. */
const outage = 20_000;

const four: Job = { model: "tiny", mesh: { pp: 2, dp: 2 }, steps: 12 };

export async function losses(scene: Scene): Promise<string> {
  const job: Job = { model: "three-d", steps: 3 };
  const expected = reference(scene, job);
  const server = await scene.server();
  return checkLosses(
    startRanks(scene, job, () => [server.url]),
    await expected,
  );
}

/** Kills the server in mid-step, the last time when the ranks hand over what they trained; it is back a second later. */
export async function serverRestarted(scene: Scene): Promise<string> {
  const job: Job = { ...four, mesh: { pp: 2, dp: 2, tp: 2 } };
  const expected = reference(scene, job);
  const server = await scene.server();
  const ranks = startRanks(scene, job, () => [server.url]);
  const steps = [0, 5, 11];
  for (const step of steps) {
    await ranks[0]?.said(new RegExp(`^step ${step}$`), patience);
    await setTimeout(10);
    await server.kill();
    await setTimeout(1000);
    await server.up();
  }
  return `server killed ${steps.length} times; ${await checkLosses(ranks, await expected)}`;
}

/** Rank 3 reaches the server through a link that is out of order for a while. */
async function link(scene: Scene, disorder: "cut" | "mute"): Promise<string> {
  const server = await scene.server();
  const proxy = new LinkProxy(server.port);
  await proxy.up();
  scene.defer(() => proxy.cut());
  const ranks = startRanks(scene, four, (rank) => [rank === 3 ? proxy.url : server.url]);
  await ranks[3]?.said(/^step 2$/, patience);
  proxy[disorder]();
  const [expected] = await Promise.all([reference(scene, four), setTimeout(outage)]);
  const stood = ranks[0]?.lines.at(-1)?.text;
  await proxy.up();
  const from = performance.now();
  const ended = await checkLosses(ranks, expected);
  return `stood at ${stood}, done ${seconds(performance.now() - from)} after the outage; ${ended}`;
}

export const linkCut = (scene: Scene): Promise<string> => link(scene, "cut");
export const linkMute = (scene: Scene): Promise<string> => link(scene, "mute");

/** Others send rank 1 this much beside the training, more than its credit of 8 MiB. */
const ballast = { rank: 1, frames: 24, bytes: 2 ** 20 };

/** The whole process of rank 1 stands still, its client too. */
export async function rankStopped(scene: Scene): Promise<string> {
  const job: Job = { ...four, ballast, credit: 2 ** 23 };
  const server = await scene.server();
  const ranks = startRanks(scene, job, () => [server.url]);
  await ranks[1]?.said(/^step 2$/, patience);
  ranks[1]?.signal("SIGSTOP");
  const [expected] = await Promise.all([reference(scene, job), setTimeout(outage)]);
  ranks[1]?.signal("SIGCONT");
  const ended = await checkLosses(ranks, expected);
  return `${(await ranks[1]?.said(/^ballast.*/, 0))?.[0]}; ${ended}`;
}

/** The thread of rank 1 stands still, its client goes on. */
export async function rankBlocked(scene: Scene): Promise<string> {
  const job: Job = { ...four, ballast, credit: 2 ** 23, blocks: { rank: 1, ms: outage } };
  const server = await scene.server();
  const ranks = startRanks(scene, job, () => [server.url]);
  await ranks[1]?.said(/^step 2$/, patience);
  const ended = await checkLosses(ranks, await reference(scene, job));
  return `${(await ranks[1]?.said(/^ballast.*/, 0))?.[0]}; ${ended}`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

async function clusterOf(scene: Scene, count: number): Promise<TestServer[]> {
  const ports = await Promise.all(Array.from({ length: count }, freePort));
  const routes = ports.map((port) => `nats-route://127.0.0.1:${port}`).join(", ");
  const config = (port: number): string => `cluster { name: pair, listen: "127.0.0.1:${port}", routes: [${routes}] }`;
  return Promise.all(ports.map((port) => scene.server(config(port))));
}

/** Ranks are spread over two servers of a cluster, of which one is killed for good. */
export async function cluster(scene: Scene): Promise<string> {
  const expected = reference(scene, four);
  const servers = await clusterOf(scene, 2);
  const urls = servers.map(({ url }) => url);
  const ranks = startRanks(scene, four, (rank) => (rank % 2 ? urls.toReversed() : urls));
  await ranks[0]?.said(/^step 3$/, patience);
  await servers[1]?.kill();
  return `one of two servers killed; ${await checkLosses(ranks, await expected)}`;
}
