// A failure as text: the class, the fields and the causes are there again, whatever must be cut for it to fit.
import { LostRankError, RankError, StallError } from "@orthant/core";
import { expect, it } from "vitest";
import { maxFailure, packFailure, unpackFailure } from "../src/protocol/failure.ts";
import { FrameError } from "../src/protocol/frame.ts";

it.each(["x", "\u00e9", "\u001b", '"', "\u{1f600}"])("fits, however long: %j", (letter) => {
  const text = letter.repeat(5000);
  const waits = Array.from({ length: 300 }, (_, rank) => ({ rank, key: text }));
  const failed = new RankError({ rank: 3, step: 7, who: text }, new StallError(text, waits));
  const packed = packFailure(new LostRankError({ rank: 3, reason: text }, failed));
  expect(new TextEncoder().encode(packed).length).toBeLessThanOrEqual(maxFailure);
  const lost = unpackFailure(packed) as LostRankError;
  expect(lost).toBeInstanceOf(LostRankError);
  expect(lost).toMatchObject({ rank: 3, cause: { name: "RankError", step: 7, cause: { name: "StallError" } } });
  expect(text).toContain(lost.reason);
});

it("tells no more than three errors of a chain", () => {
  const chain = [1, 2, 3, 4, 5].reduce<Error>((cause, i) => new Error(`${i}`, { cause }), new Error("first"));
  expect(unpackFailure(packFailure(chain))).toMatchObject({ message: "5", cause: { cause: { message: "3" } } });
  expect(packFailure(chain)).not.toContain('"2"');
});

it.each(["", "{", "null", "[]", '{"name":"RankError"}', '{"name":1,"message":"","fields":{}}'])(
  "refuses %j",
  (text) => {
    expect(() => unpackFailure(text)).toThrow(FrameError);
  },
);

it("takes nothing but the fields of the class", () => {
  const text = '{"name":"Error","message":"m","fields":{"message":"n","__proto__":{"x":1}},"cause":null}';
  expect(() => unpackFailure(text)).toThrow(FrameError);
  const error = unpackFailure(text.replace(',"cause":null', ""));
  expect([error.message, Reflect.get(error, "x")]).toEqual(["m", undefined]);
});
