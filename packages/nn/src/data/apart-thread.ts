// The thread of a stream that is drawn apart: epoch after epoch of a module's generator, as far ahead as it may.
import { parentPort, workerData } from "node:worker_threads";
import type { Order, Sent } from "./apart.ts";

const { module, seed, ahead } = workerData as Order;
const send = (sent: Sent) => parentPort!.postMessage(sent);

let free = ahead;
let go = () => {};
parentPort!.on("message", () => {
  free++;
  go();
});

/** Sends one result once there is room. */
async function sendNext(sent: Sent): Promise<void> {
  while (free === 0)
    await new Promise<void>((resume) => {
      go = resume;
    });
  free--;
  send(sent);
}

try {
  const open = ((await import(module)) as { default?: unknown }).default;
  if (typeof open !== "function") throw new Error("its default export is no function that opens a generator");
  for (let epoch = 0; ; epoch++) {
    for await (const value of open({ seed, epoch }) as AsyncIterable<unknown>) await sendNext({ done: false, value });
    await sendNext({ done: true, value: undefined });
  }
} catch (error) {
  send({ error: error instanceof Error ? error.message : String(error) });
}
