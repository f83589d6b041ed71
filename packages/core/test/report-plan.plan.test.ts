// The page that `orthant plan` prints, for one rank and for eight.
import { expect, test } from "vitest";
import { plan } from "../src/index.ts";
import { compress, describePlan } from "../src/report/plan-text.ts";
import { eightRanks } from "./report-case.ts";

test("eight ranks: who holds what, who does what, what is sent", async () => {
  const decided = await plan(eightRanks);
  const text = describePlan(decided, eightRanks);
  expect(text.split("\n").every((line) => line.length < 100)).toBe(true);
  expect(text).toMatch(/^mesh {8}pp 2 x dp 2 x tp 2 = 8 ranks$/m);
  expect(text).toMatch(/^batch {7}16 samples = dp 2 x 4 micros x 2 samples$/m);
  expect(text).toMatch(/^ +5 +1 +0 +1 +1 +2-3, head /m);
  expect(text).toMatch(/^ +0-3 +attn.query +\[8, 2, 4\] +tp cuts dim 1 -> \[8, 1, 4\], dp keeps a flat 1\/2$/m);
  expect(text).toMatch(/^ +embed +tokens +\[8, 8\] +dp keeps a flat 1\/2$/m);
  expect(text).toMatch(/^ +pp 1 \| \. {2}F0 B0--- F1 /m);
  for (const axis of ["tp", "pp", "dp"]) expect(text).toMatch(new RegExp(`^ +${axis} +\\w+ +[\\d.]+ KiB +`, "m"));
  expect(text).toContain("20.0 %  if stages were equal: (p-1)/(m+p-1) = 1/5");
});

test("one rank: nothing is cut, nothing is sent", async () => {
  const { mesh: _, strategies: __, ...rest } = eightRanks;
  const text = describePlan(await plan(rest));
  expect(text).toMatch(/^mesh {8}1 rank$/m);
  expect(text).toMatch(/^ +0 {2}0 {6}embed, 0-3, head /m);
  expect(text).toMatch(/^ +0-3 +attn.query +\[8, 2, 4\] +all of it$/m);
  expect(text).toContain("nothing: there is one rank");
  expect(text).toContain("0.0 %  by the operations of each stage");
});

test("names that count up become a range", () => {
  expect(compress(["embed", "0", "1", "2", "head"])).toBe("embed, 0-2, head");
  expect(compress(["block8", "block9", "block10", "block12"])).toBe("block8-10, block12");
  expect(compress([])).toBe("");
});
