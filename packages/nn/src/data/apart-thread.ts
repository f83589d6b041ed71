// The thread of a stream that is drawn apart: it draws a module's generator, and sends each sample as soon as it is there.
import { parentPort, workerData } from "node:worker_threads";
import type { Order, Request, Sent } from "./apart.ts";
import { Drawing, type Elements, type Opening } from "./drawing.ts";

const { module, seed, ahead, seek } = workerData as Order;
const send = (sent: Sent) => parentPort!.postMessage(sent);

async function open(opening: Opening): Promise<Elements> {
  const source = ((await import(module)) as { default?: unknown }).default;
  if (typeof source !== "function") throw new Error("its default export is no function that opens a generator");
  return (source({ seed, ...opening }) as AsyncIterable<unknown>)[Symbol.asyncIterator]();
}

const drawing = new Drawing({ open, ahead, seek, onSample: (index, sample) => send({ index, sample }) });
parentPort!.on("message", ({ index, oldest }: Request) => {
  if (drawing.gone(index)) return; // sent before, or asked for by a rank that is behind
  drawing
    .sample(index, oldest)
    .catch((error) => send({ index, error: error instanceof Error ? error.message : String(error) }));
});
