// Errors that cross to another thread or process: class, fields, message and causes are there again.
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
import { expect, it } from "vitest";
import { ClosedError, fromPlain, LostRankError, RankError, StallError, toPlain } from "../src/errors.ts";

const throughJson = (error: unknown): Error => fromPlain(JSON.parse(JSON.stringify(toPlain(error))));

function throughPort(error: unknown): Error {
  const { port1, port2 } = new MessageChannel();
  port1.postMessage(toPlain(error));
  const { message } = receiveMessageOnPort(port2) as { message: ReturnType<typeof toPlain> };
  port1.close();
  return fromPlain(message);
}

const failed = new RankError({ rank: 2, who: "rank 2 (dp 1)", step: 1, action: "0F1" }, new TypeError("no such dim"));
const stalled = new StallError("stalled: rank 1 waits", [{ rank: 1, from: 0, key: "dp.all-reduce step 3" }]);

it.each([
  ["JSON", throughJson],
  ["a port", throughPort],
])("survives %s", (_, through) => {
  const rank = through(failed) as RankError;
  expect(rank).toBeInstanceOf(RankError);
  expect({ ...rank }).toEqual({ rank: 2, step: 1, action: "0F1" });
  expect(rank.message).toBe("rank 2 (dp 1) failed at step 1, action 0F1: no such dim");
  expect(rank.stack).toBe(failed.stack);
  expect(rank.cause).toMatchObject({ name: "TypeError", message: "no such dim" });
  expect((through(stalled) as StallError).waits).toEqual(stalled.waits);
  expect(through(new ClosedError(3))).toMatchObject({ name: "ClosedError", rank: 3, message: "rank 3 is closed" });
  const lost = new LostRankError({ rank: 2, reason: failed.message, waiting: "rank 0 waits for rank 1" }, failed);
  expect(through(lost)).toBeInstanceOf(LostRankError);
  expect(through(lost)).toMatchObject({ rank: 2, message: `${failed.message}; rank 0 waits for rank 1` });
  expect(through(lost).cause).toBeInstanceOf(RankError);
});

it("makes an error of anything thrown, and leaves out what no message can carry", () => {
  expect(throughPort("a word")).toMatchObject({ name: "Error", message: "a word" });
  expect(throughPort(Object.assign(new Error("odd"), { socket: () => {} })).message).toBe("odd");
  expect(new RankError({ rank: 0 }, new Error("no room")).message).toBe("rank 0 failed: no room");
});
