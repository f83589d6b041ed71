// A server that holds little for a client and waits little, and a rank whose process stands still while all others send to
// it: it is cut off, and gets less at a time until the run goes on. The one that never can is a test of transport-nats.
import { setTimeout } from "node:timers/promises";
import type { Job } from "../faults/job.ts";
import type { Scene } from "../faults/processes.ts";
import { checkLosses, patience, reference, startRanks } from "../faults/runs.ts";

/** What the others send to rank 1 beside the training. */
const ballast = { rank: 1, frames: 24, bytes: 2 ** 22 };
const job: Job = { model: "tiny", mesh: { pp: 2, dp: 2 }, steps: 12, ballast };
/** ms that rank 1 stands still. */
const still = 2000;

export async function cutOff(scene: Scene): Promise<string> {
  const server = await scene.server('max_pending: 1MB\nwrite_deadline: "100ms"');
  const expected = reference(scene, job);
  const ranks = startRanks(scene, job, () => [server.url]);
  await ranks[1]?.said(/^step 2$/, patience);
  ranks[1]?.signal("SIGSTOP");
  await setTimeout(still);
  ranks[1]?.signal("SIGCONT");
  const ended = await checkLosses(ranks, await expected);
  const cuts = ranks[1]?.lines.filter(({ text }) => /cut the connection: a slow consumer/.test(text)).length ?? 0;
  if (cuts === 0) throw new Error("rank 1 was never cut off");
  return `rank 1 was cut off, what it is sent was halved ${cuts} times; ${ended}`;
}
