// Memory of parts and pieces: used again when nobody needs it, not before, and none held for what is done.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Counters, type Envelope, Incoming, Ring, wireThreads } from "@orthant/core/transport-kit";
import { expect, it } from "vitest";
import { Outflow } from "../src/client/outflow.ts";
import { Rings } from "../src/client/rings.ts";
import { type ClientJob, clientThread } from "../src/job.ts";
import { setOf, subjectsOf } from "../src/protocol/subjects.ts";

const maxPayload = 2 ** 20;

/** An outflow of rank 0 to ranks 1 and 2, which live in clients of their own. Sends a frame, and says in which memory its parts went out. */
function outflow() {
  const published: ArrayBufferLike[] = [];
  const publish = (_: string, bytes: Uint8Array): void => void published.push(bytes.buffer);
  const subjects = subjectsOf("r", 0);
  const rest = { run: "r", epoch: 0, size: 3, window: 2 ** 24, nodeOf: [0, 1, 2], unread: () => false };
  const flow = new Outflow({ ...rest, subjects, maxPayload, publish });
  const send = (to: number, length: number): ArrayBufferLike[] => {
    const heading = { from: 0, to: [to], key: "k", dtype: "uint8", shape: [length], at: 0, whole: length } as const;
    for (const memory of flow.take(heading, length)) memory.fill(7);
    flow.pump(0);
    return published.splice(0);
  };
  return { flow, send };
}

it.each([100_000, 300_000, 900_000, 3_000_000])("uses the memory of acknowledged parts again (%i bytes)", (length) => {
  const { flow, send } = outflow();
  const parts = send(1, length);
  expect(parts).not.toContain(send(1, length)[0]);
  flow.acknowledge(1, 0, setOf([1]), parts.length, false, 1);
  expect(parts).toContain(send(1, length)[0]);
});

it("never uses memory again that may still be on its way out: of who left, and of what was sent twice", () => {
  const left = outflow();
  const gone = left.send(1, 300_000);
  left.flow.drop(1);
  expect(left.send(2, 300_000)).not.toContain(gone[0]);
  const twice = outflow();
  const again = twice.send(1, 300_000);
  twice.flow.rewind(1);
  twice.flow.acknowledge(1, 0, setOf([1]), 1, false, 2);
  expect(twice.send(1, 300_000)).not.toContain(again[0]);
});

it("holds nothing for pieces that went through a ring", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const wiring = wireThreads([0, 1]);
  const job = { wiring, ranks: [0] } as unknown as ClientJob;
  const counters = new Counters(wiring.counters, wiring.home, wiring.credit);
  const rings = new Rings(job, counters, function* () {});
  let heard = 0;
  const memory = new Ring(wiring.rings[clientThread(job)]?.[0] as SharedArrayBuffer);
  const place = function* (_: unknown, length: number) {
    yield new Uint8Array(length);
    heard += 1;
  };
  const incoming = new Incoming(memory, place, () => {});
  const frame = { dtype: "uint8", shape: [8], data: new Uint8Array(8) } as const;
  const envelope: Envelope = { from: 1, to: [0], key: "k", frame };
  const pass = async (count: number): Promise<number> => {
    for (let i = 0; i < count; i++) {
      rings.deliver(envelope);
      if (i % 100 === 0) incoming.drain();
    }
    rings.flush();
    incoming.drain();
    await rings.delivered(1);
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = await pass(2000);
  expect((await pass(20_000)) - before).toBeLessThan(10 ** 6);
  expect(heard).toBe(22_000);
});
