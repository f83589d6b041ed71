// Machines that agree on who starts what, without a server: words pass, are lost, or do not reach each other for a while.
import { describe, expect, test } from "vitest";
import { lostAfter, Roster, type RosterOptions } from "../src/meeting/roster.ts";

const wanted = { about: "4 on 2", machines: 2, elastic: false, restarts: 2, patience: 120 };

/** Machines that hear each other at each look; those of other islands do not. */
class Net {
  readonly rosters = new Map<string, Roster>();
  readonly #island = new Map<string, number>();

  add(id: string, over: Partial<RosterOptions> = {}): Roster {
    const roster = new Roster({ ...wanted, id, ...over });
    this.rosters.set(id, roster);
    return roster;
  }

  cut(...ids: readonly string[]): void {
    for (const id of this.rosters.keys()) this.#island.set(id, ids.includes(id) ? 1 : 0);
  }

  /** Lets looks pass; each machine begins what it is to, at once. */
  look(count = 1): void {
    for (let i = 0; i < count; i++) {
      for (const roster of this.rosters.values()) roster.look();
      for (let round = 0; round < 3; round++) this.#speak();
      for (const roster of this.rosters.values()) if (roster.next) roster.begin(roster.next);
    }
  }

  #speak(): void {
    for (const [from, { word }] of this.rosters)
      for (const [to, roster] of this.rosters)
        if (this.#island.get(from) === this.#island.get(to)) roster.hear(structuredClone(word));
  }

  /** What each machine knows of the latest start. */
  starts(): Set<string> {
    return new Set([...this.rosters.values()].map(({ start }) => JSON.stringify(start)));
  }

  /** Ends the ranks of some, as a lost rank does. */
  end(...ids: readonly string[]): void {
    for (const id of ids) this.rosters.get(id)!.end();
  }
}

const start = (number: number, losses: number, machines: readonly string[]) => ({ number, losses, machines });

function running(over: Partial<RosterOptions> = {}, ...ids: string[]): Net {
  const net = new Net();
  for (const id of ids) net.add(id, over);
  net.look(5);
  return net;
}

test("as many as are wanted start, in the order in which they came; one more waits", () => {
  const net = running({}, "b", "a", "c");
  expect(net.rosters.get("c")!.start).toEqual(start(0, 0, ["a", "b"]));
  expect(net.starts().size).toBe(1);
  expect([...net.rosters.values()].map(({ word }) => word.begun)).toEqual([0, 0, -1]);
});

test("nobody decides before it has listened", () => {
  const net = running({}, "a", "b");
  net.add("0", {}).look();
  net.look(3);
  expect(net.rosters.get("0")!.start).toEqual(start(0, 0, ["a", "b"]));
});

test("a lost rank: all start again, and rank 0 stays where it is", () => {
  const net = running({}, "b", "c");
  net.add("a");
  net.look();
  net.end("c");
  net.look();
  expect(net.rosters.get("b")!.start).toEqual(start(1, 1, ["b", "c"]));
  net.end("b", "c");
  net.look();
  expect(net.rosters.get("b")!.start).toEqual(start(2, 2, ["b", "c"]));
  net.end("b", "c");
  net.look(3);
  expect(net.rosters.get("b")!.start?.number).toBe(2); // no restart is left
});

test.each(["a", "b"])("machine %s is lost, and a spare takes its place", (lost) => {
  const net = running({}, "a", "b", "c");
  net.rosters.delete(lost);
  net.look(lostAfter - 1);
  expect(net.rosters.get("c")!.start?.number).toBe(0);
  net.look(2);
  const [lives] = ["a", "b"].filter((id) => id !== lost);
  expect(net.starts()).toEqual(new Set([JSON.stringify(start(1, 1, [lives!, "c"]))]));
});

test("without a spare the others wait, and then give up", () => {
  const net = running({}, "a", "b");
  net.rosters.delete("a");
  net.look(lostAfter + 1);
  net.end("b");
  net.look(100);
  expect([net.rosters.get("b")!.start?.number, net.rosters.get("b")!.isLate]).toEqual([0, false]);
  net.look(20);
  expect(net.rosters.get("b")!.isLate).toBe(true);
});

describe("elastic", () => {
  const options = { elastic: true, machines: 3 };

  test("goes on with fewer, and with more once they come", () => {
    const net = running(options, "a", "b", "c");
    net.rosters.delete("b");
    net.look(lostAfter + 1);
    expect(net.starts()).toEqual(new Set([JSON.stringify(start(1, 1, ["a", "c"]))]));
    net.add("d", options);
    net.look(2);
    expect(net.rosters.get("a")!.start).toEqual(start(2, 1, ["a", "c", "d"]));
    net.add("e", options);
    net.look(6);
    expect(net.rosters.get("a")!.start?.number).toBe(2); // three are wanted
  });

  test("begins with those that are here, once others are late", () => {
    const net = running(options, "a", "b");
    net.look(100);
    expect(net.rosters.get("a")!.start).toBeUndefined();
    net.look(20);
    expect(net.starts()).toEqual(new Set([JSON.stringify(start(0, 0, ["a", "b"]))]));
    expect(net.rosters.get("b")!.isLate).toBe(false);
  });

  test("machines that did not hear each other for a while end in one start", () => {
    const net = running(options, "a", "b", "c");
    net.cut("c");
    net.look(lostAfter + 1);
    expect(net.starts().size).toBe(2);
    net.cut();
    net.look(2);
    expect(net.starts().size).toBe(1);
    for (const roster of net.rosters.values()) expect(roster.start?.machines.toSorted()).toEqual(["a", "b", "c"]);
  });
});

test("one that leaves ends the run for all, one that waits too", () => {
  const net = running({}, "a", "b", "c");
  net.rosters.get("b")!.leave(3);
  net.look(2);
  expect([net.rosters.get("a")!.over, net.rosters.get("c")!.over]).toEqual([3, 3]);
  net.end("a");
  net.look(lostAfter + 1);
  expect(net.rosters.get("a")!.start?.number).toBe(0);
});

test("a spare that leaves ends nothing", () => {
  const net = running({}, "a", "b", "c");
  net.rosters.get("c")!.leave(143);
  net.look(2);
  expect([net.rosters.get("a")!.over, net.rosters.get("a")!.here]).toEqual([undefined, ["a", "b"]]);
});

test("who was told something else hears what the others were told, and the first stays", () => {
  const net = running({}, "a", "b");
  const other = new Roster({ ...wanted, about: "8 on 2", id: "c" });
  expect(other.hear(net.rosters.get("a")!.word)).toBe("4 on 2");
  expect(net.rosters.get("a")!.hear(other.word)).toBeUndefined();
  expect(net.rosters.get("a")!.here).toEqual(["a", "b"]);
});
