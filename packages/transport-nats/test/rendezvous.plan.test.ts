// Who stays of two that claim one rank, in any order of their hellos: one lobby that delivers one message at a time.
import { expect, it } from "vitest";
import { Rendezvous } from "../src/meeting/rendezvous.ts";
import type { Hello, Refusal } from "../src/protocol/control.ts";
import { random } from "./random.ts";

const meeting = (id: string, ranks: readonly number[], size = 2): Rendezvous =>
  new Rendezvous({ id, launch: "", run: "r", epoch: 0, ranks, size, fingerprint: [["mesh", "dp 2"]] });

/** Delivers hellos of random members to all, as the lobby does, until `over` or `rounds` are spent. Who was refused. */
function meet(members: Record<string, Rendezvous>, below: (count: number) => number, rounds = 60): string[] {
  const refused = new Set<string>();
  const toldTo = (name: string, member: Rendezvous, message: Hello | Refusal): Refusal | undefined => {
    try {
      return refused.has(name) ? undefined : member.hear(message);
    } catch {
      refused.add(name);
      return undefined;
    }
  };
  const hear = (first: Hello): void => {
    const queue: (Hello | Refusal)[] = [first];
    for (const message of queue)
      for (const [name, member] of Object.entries(members)) queue.push(...[toldTo(name, member, message) ?? []].flat());
  };
  const alive = () => Object.entries(members).filter(([name]) => !refused.has(name));
  for (let i = 0; i < rounds && !alive().every(([, member]) => member.over); i++) {
    const speakers = alive();
    hear(speakers[below(speakers.length)]![1].hello);
  }
  expect(alive().every(([, member]) => member.over)).toBe(true);
  return [...refused];
}

it("keeps one of two that start as the same rank, and everybody else", () => {
  for (let seed = 1; seed < 500; seed++) {
    const ids = seed % 2 ? ["a", "b", "c"] : ["b", "c", "a"];
    const members = { first: meeting(ids[0]!, [0]), second: meeting(ids[1]!, [0]), other: meeting(ids[2]!, [1]) };
    const refused = meet(members, random(seed));
    expect(refused).toHaveLength(1);
    expect(refused[0]).toMatch(/first|second/);
    expect(members.other.nodeOf()).toEqual([0, 1]);
  }
});

it("names what ranks disagree on", () => {
  const own = meeting("a", [0]);
  const hello = { ...meeting("b", [1]).hello, fingerprint: [["mesh", "pp 2"] as const] };
  expect(own.hear(hello)).toMatchObject({
    reason: expect.stringMatching(/^mesh is dp 2 with rank 0, pp 2 here: start/),
  });
});
