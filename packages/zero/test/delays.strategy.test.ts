// Random delays before every message, two seeds a case: the same bits, no deadlock. `npm run test:delays` runs a hundred.
import { expect, test } from "vitest";
import { delayCases, delayFailures, showDelayCase, trainDelayed } from "./delays.ts";

test.each(delayCases.map((at) => [showDelayCase(at), at] as const))("%s", async (_, at) => {
  const expected = await trainDelayed(at);
  for (const seed of [1, 2]) expect(delayFailures(await trainDelayed(at, seed), expected)).toEqual([]);
});
