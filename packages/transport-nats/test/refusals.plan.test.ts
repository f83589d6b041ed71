// Bookkeeping about others, without a server: what is granted after cuts, what is counted and told, what is let into a lobby.
import { expect, it } from "vitest";
import { Grant } from "../src/client/grant.ts";
import { Inflow } from "../src/client/inflow.ts";
import { Refusals } from "../src/client/refusals.ts";
import { Replays } from "../src/client/replays.ts";
import { Gate } from "../src/meeting/gate.ts";
import { PartKey } from "../src/protocol/cipher.ts";
import { ControlCodec } from "../src/protocol/control.ts";
import { FrameCodec, FrameError, type Part, type PartHeader } from "../src/protocol/frame.ts";
import { keyOf } from "../src/protocol/secret.ts";

it("halves what it grants at each cut, ends after ten with the least, and grows when all is calm", () => {
  const grant = new Grant(2 ** 26 / 7);
  expect(grant.window).toBe(Math.floor(2 ** 26 / 7)); // a whole number: others refuse a state of anything else
  for (let i = 0; i < 8; i++) expect(grant.cut(1000 * i)).toBeUndefined();
  expect(grant.window).toBe(2 ** 16);
  const cuts = Array.from({ length: 10 }, (_, i) => grant.cut(20_000 + i));
  expect(cuts).toEqual([...Array(9).fill(undefined), 10]);
  expect(grant.grow(21_000)).toBe(false);
  expect([grant.grow(40_000), grant.window]).toEqual([true, 2 ** 17]);
});

it("tells the first at once, then a new kind or twice as many, and a flood as one", () => {
  let counted = 0;
  const refusals = new Refusals('the lobby of run "r"', (more) => (counted += more));
  const now = performance.now();
  refusals.count("frames", "its tag is wrong");
  expect(refusals.report(now + 1000)).toBe(
    "1 messages refused so far, the last one because: its tag is wrong; by kind: frames 1",
  );
  refusals.count("states", "its sender has no secret");
  expect(refusals.report(now + 2000)).toBeUndefined();
  refusals.count("hellos", "its sender has no secret", 22_000);
  expect(refusals.report(now + 12_000)).toContain(
    '; by kind: frames 1, states 1, hellos 22,000; 2,000 hellos a second from unknown clients in the lobby of run "r"',
  );
  refusals.count("hellos", "its sender has no secret", 20_000);
  for (const later of [13_000, 23_000, 70_000]) expect(refusals.report(now + later)).toBeUndefined();
  expect(refusals.report(now + 73_000)).toContain("hellos 42,000");
  expect(counted).toBe(42_002);
  for (let i = 0; i < 1000; i++) refusals.count(`kind ${i}`, "");
  expect(refusals.report(now + 84_000)?.length).toBeLessThan(1000);
});

it("names a flood by what it is of, whatever each message was refused for", () => {
  const refusals = new Refusals('the lobby of run "r"', () => {});
  for (const why of ["no secret", "another secret"]) refusals.count(`hellos of ${why}`, why, 150);
  expect(refusals.report(performance.now() + 1000)).toMatch(/; [23]\d\d hellos a second from unknown clients in/);
});

it("calls what nothing explains played again", () => {
  const refusals = new Refusals("", () => {});
  const replays = new Replays(refusals);
  const told = (): string => refusals.report(performance.now()) ?? "";
  for (let i = 0; i < 2; i++) replays.look({ duplicates: 100, resent: 50, links: 1 });
  expect(told()).toBe("");
  replays.look({ duplicates: 300, resent: 50, links: 1 });
  expect(told()).toBe(""); // its sender may still say that it sent them twice
  replays.look({ duplicates: 300, resent: 50, links: 1 });
  expect(told()).toContain("frames played again 186");
});

it("lets so many messages and bytes into a lobby", () => {
  const gate = new Gate();
  const now = performance.now();
  const admitted = Array.from({ length: 5000 }, () => gate.refusal(300, now)).filter((why) => why === undefined).length;
  expect(admitted).toBe(2000);
  expect(gate.refusal(300, now + 1000)).toBeUndefined();
  expect(gate.refusal(2 ** 20, now + 1000)).toContain("it has 1048576 bytes");
});

const head: PartHeader = {
  run: "r",
  epoch: 0,
  seq: 0,
  from: 1,
  key: "k",
  dtype: "uint8",
  wire: "uint8",
  shape: [8],
  part: 0,
  parts: 1,
};
const data = new Uint8Array(8).fill(5);

it.each(["aes-256-gcm", "chacha20-poly1305"] as const)("opens only what it sealed, under %s", (cipher) => {
  const codec = new FrameCodec();
  for (const encrypt of [false, true]) {
    const key = new PartKey(cipher, new Uint8Array(32).fill(1), encrypt);
    const bytes = codec.encode(head, data, key);
    const decode = (message: Uint8Array) => codec.decode(message, { maxFrame: 100 }, () => key);
    expect(decode(bytes.slice())).toMatchObject({ key: "k" });
    expect(decode(bytes.slice()).data).toEqual(encrypt ? Buffer.from(data) : data);
    expect(Buffer.from(bytes).includes(Buffer.from(data))).toBe(!encrypt);
    for (let at = 0; at < bytes.length; at++) {
      const forged = bytes.slice();
      forged[at]! ^= 1;
      expect(() => decode(forged)).toThrow(FrameError);
    }
    const other = new PartKey(cipher, new Uint8Array(32).fill(2), encrypt);
    expect(() => codec.decode(bytes.slice(), { maxFrame: 100 }, () => other)).toThrow("its tag is wrong");
  }
});

it("gives each purpose a key of its own, and takes no control message of another", () => {
  const secret = new Uint8Array(16).fill(9);
  const keys = [
    keyOf(secret, ["lobby", "r"]),
    keyOf(secret, ["lobby", "s"]),
    keyOf(secret, ["states", "r", 0, "a"]),
    keyOf(secret, ["states", "r", 1, "a"]),
    keyOf(secret, ["parts", "r", 0, "a", 0, "1"]),
  ];
  expect(new Set(keys.map((key) => Buffer.from(key).toString("hex"))).size).toBe(keys.length);
  const word = { kind: "refusal", id: "a", reason: "b" } as const;
  const [one, two, open] = [new ControlCodec(keys[0]), new ControlCodec(keys[1]), new ControlCodec()];
  expect(one.decode(one.encode(word))).toEqual(word);
  expect(() => one.decode(two.encode(word))).toThrow("another secret");
  expect(() => one.decode(open.encode(word))).toThrow("no secret");
  expect(() => open.decode(one.encode(word))).toThrow("a secret, this client has none");
  expect(open.claimed(one.encode(word))).toEqual(word);
});

it("drops what is beyond the credit, and asks for it again when there is room", () => {
  let room = false;
  const taken: string[] = [];
  const inflow = new Inflow(
    4,
    ({ key }) => taken.push(key),
    () => room,
  );
  const part = (seq: number): Part => ({ ...head, seq, key: `${seq}`, data });
  expect([inflow.accept("1", part(0)), inflow.hasRoom(new Set([1]))]).toEqual(["beyond", false]);
  room = true;
  expect(inflow.hasRoom(new Set([1]))).toBe(true);
  expect(inflow.acks(new Set([1]))).toEqual([[1, "1", 0, 1]]);
  expect([inflow.accept("1", part(0)), taken]).toEqual(["taken", ["0"]]);
  for (const set of ["01", "0", "10", "x"]) expect(() => inflow.open(1, set)).toThrow("no set of ranks below 4");
  expect(() => {
    for (let i = 0; i < 5000; i++) inflow.open(i, "1");
  }).toThrow(/more than 1024 streams a rank/);
});
