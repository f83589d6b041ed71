// What other processes are told of a rank: that it waits, only where it does. Whoever waits is sent more than its credit.
import { setTimeout } from "node:timers/promises";
import type { Frame } from "@orthant/core";
import { Counters } from "@orthant/core/transport-kit";
import { expect, it } from "vitest";
import { Ledger } from "../src/client/ledger.ts";
import { joinNats, startNats } from "../src/index.ts";
import { Shared } from "../src/shared.ts";

it("says that a rank waits where its frame is not there, and only then", async () => {
  const ticket = await startNats({ servers: "nats://nowhere:1", run: "r", size: 2 }, [[0], [1]]); // all here: no client
  const { counters, home, credit } = ticket.wiring;
  const ledger = new Ledger(new Counters(counters, home, credit), new Shared(ticket.shared, 2), [1]);
  const [a, b] = [joinNats(ticket, 0).get(0)!, joinNats(ticket, 1).get(1)!];
  const frame: Frame = { dtype: "uint8", shape: [8], data: new Uint8Array(8) };
  await a.send([1], "there", frame);
  await setTimeout(50); // it is in the letter box
  const there = b.recv(0, "there");
  expect(ledger.waiting()).toEqual([]);
  await there;
  const later = b.recv(0, "later");
  expect(ledger.waiting()).toEqual([1]);
  await a.send([1], "later", frame);
  await later;
  expect(ledger.waiting()).toEqual([]);
  await Promise.all([a.close(), b.close()]);
});
