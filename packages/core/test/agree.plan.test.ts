// The exchange at the end of a step: one verdict, the same bits as sums in a plain loop, few messages a rank.
import { expect, test } from "vitest";
import { normal } from "../src/params/random.ts";
import { Agreement, type Report, type Roll } from "../src/rank/agree.ts";
import { stopCode } from "../src/rank/stop.ts";
import { memoryEndpoints } from "../src/transports/memory.ts";

/** `size` ranks that hold the same three parameters, for two micros. */
const rollOf = (size: number): Roll => {
  const params = ["a", "b", "c"].map((name) => ({ name }));
  const ranks = Array.from({ length: size }, (_, rank) => ({ rank, coords: {}, params }));
  return { micros: 2, losses: ["balance"], specs: params, roles: { independent: {} }, ranks };
};

const report = (rank: number): Report => ({
  stop: rank === 1 ? stopCode(rank, 15) : 0,
  held: 1000 + ((7 * rank) % 5),
  device: 2000 + ((3 * rank) % 7),
  squares: [0, 1, 2].map((p) => normal([rank, p], 0) ** 2),
  losses: [0, 1].map((micro) => normal([rank, 9], micro)),
  counts: [rank, 2],
  auxiliary: [0, 1].map((micro) => normal([rank, 8], micro)),
});

test.each([1, 2, 3, 4, 7, 16, 33])("%i ranks agree", async (size) => {
  const messages: number[] = Array(size).fill(0);
  const endpoints = memoryEndpoints(size, { stall: 2000 }).map((inner) => ({
    ...inner,
    send(...[to, key, frame]: Parameters<typeof inner.send>) {
      messages[inner.rank]! += to.length;
      return inner.send(to, key, frame);
    },
  }));
  const ranks = endpoints.map((_, rank) => rank);
  const verdicts = await Promise.all(
    endpoints.map((endpoint, rank) => new Agreement(rollOf(size), endpoint).reach(report(rank), 0)),
  );
  await Promise.all(endpoints.map((endpoint) => endpoint.close()));
  let [squares, loss, balance] = [0, 0, 0];
  for (let p = 0; p < 3; p++) for (const rank of ranks) squares += report(rank).squares[p]!;
  for (const rank of ranks) for (const micro of report(rank).losses) loss += micro;
  for (const rank of ranks) for (const micro of report(rank).auxiliary) balance += micro;
  const held = Math.max(...ranks.map((rank) => report(rank).held));
  const device = Math.max(...ranks.map((rank) => report(rank).device ?? 0));
  const expected = {
    stop: size > 1 ? stopCode(1, 15) : 0,
    held,
    device,
    norm: Math.sqrt(squares),
    loss,
    count: ranks.reduce((sum, rank) => sum + rank + 2, 0),
    auxiliary: { balance },
  };
  for (const verdict of verdicts) expect(verdict).toEqual(expected);
  expect(Math.max(...messages)).toBeLessThanOrEqual(1 + Math.ceil(Math.log2(size)));
});
