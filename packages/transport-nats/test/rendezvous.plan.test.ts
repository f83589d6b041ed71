// Who stays of two that claim one rank, in any order of their hellos: one lobby that delivers one message at a time.
import { expect, it } from "vitest";
import { Rendezvous } from "../src/meeting/rendezvous.ts";
import { cipherOf } from "../src/protocol/cipher.ts";
import type { Hello, Refusal } from "../src/protocol/control.ts";
import { random } from "./random.ts";

const meeting = (id: string, ranks: readonly number[], size = 2): Rendezvous =>
  new Rendezvous({
    id,
    launch: "",
    run: "r",
    epoch: 0,
    ranks,
    size,
    fingerprint: [["mesh", "dp 2"]],
    ciphers: ["aes-256-gcm"],
  });

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
    expect(members.other.meeting().nodeOf).toEqual([0, 1]);
  }
});

it("names what ranks disagree on", () => {
  const own = meeting("a", [0]);
  const hello = { ...meeting("b", [1]).hello, heard: ["a"], fingerprint: [["mesh", "pp 2"] as const] };
  expect(own.hear(hello)).toMatchObject({
    reason: expect.stringMatching(/^mesh is dp 2 with rank 0, pp 2 here: start/),
  });
});

it("takes no old hello, and none of a rank that there is not", () => {
  const own = meeting("a", [0]);
  const old = {
    ...meeting("z", [1]).hello,
    complete: true,
    members: ["y"],
    fingerprint: [["mesh", "pp 2"] as const],
    heard: ["x"],
  };
  expect(own.hear(old)).toBeUndefined(); // it would refuse this client
  expect([own.missing(), own.hello.heard]).toEqual([[1], ["z"]]);
  const forged = { ...meeting("b", [4294967294]).hello, heard: ["a"] };
  expect(() => own.hear(forged)).toThrow("ranks [4294967294] of 2");
  const live = { ...meeting("b", [1]).hello, heard: ["a"] };
  expect(own.hear(live)).toBeUndefined();
  const gone = { kind: "gone", id: "b", rank: 1, failure: "", heard: ["y"] } as const;
  expect([own.concerns(gone), own.concerns({ ...gone, heard: ["a"] })]).toEqual([false, true]);
});

it("picks a cipher that all have and nobody has as a bad second", () => {
  const [node, deno, bun] = [
    ["aes-256-gcm", "chacha20-poly1305"],
    ["chacha20-poly1305", "aes-256-gcm"],
    ["aes-256-gcm"],
  ];
  expect(cipherOf([node!, node!])).toBe("aes-256-gcm");
  expect(cipherOf([node!, deno!])).toBe("chacha20-poly1305");
  expect(cipherOf([deno!, bun!])).toBe("aes-256-gcm");
  expect(() => cipherOf([["chacha20-poly1305"], bun!])).toThrow("no cipher that all runtimes have");
});

it("neither joins nor ends a run that is complete without it", () => {
  const run = { a: meeting("a", [0]), b: meeting("b", [1]) };
  meet(run, random(1));
  for (const id of ["0", "z"]) {
    const late = meeting(id, [0]);
    for (let i = 0; i < 3; i++) for (const each of Object.values(run)) each.hear(late.hello); // it is named from now on
    expect(late.hear(run.b.hello)).toBeUndefined();
    expect(late.missing()).toEqual([1]);
    expect(() => late.hear(run.a.hello)).toThrow(/goes on with its own rank 0/);
    expect(run.b.hear(late.hello)).toMatchObject({ kind: "refusal", id });
    expect(run.a.hear({ kind: "refusal", id: "a", reason: "" })).toBeUndefined();
  }
});
