// What a client without the secret can do to a run whose subjects it may use: each once held or did not, when runs had none.
// Those that a run without a secret must bear are tried on one too.
import type { State } from "../../packages/transport-nats/src/protocol/control.ts";
import { frameBytes } from "../../packages/transport-nats/src/protocol/frame.ts";
import { type Attacker, dataTo } from "./attacker.ts";

export interface Attack {
  readonly name: string;
  readonly run: (attacker: Attacker) => Promise<void>;
  /** What warnings of the ranks say of it. */
  readonly named: RegExp;
  /** Begins when the ranks stand, and nothing of theirs is on the way. */
  readonly standing?: boolean;
  /** The run has no secret: what holds is what a client checks whoever speaks. */
  readonly open?: boolean;
  /** A run of the same name and secret goes before, and the attacker hears it. */
  readonly follows?: boolean;
}

const ranks = [0, 1, 2, 3];
const others = (rank: number): number[] => ranks.filter((other) => other !== rank);

const nothing = { links: 0, resent: 0, window: 2 ** 24, asks: false, waiting: [], left: [], seen: [], last: [] };
const state = (node: number, more: Partial<State>): State => ({
  kind: "state",
  epoch: 0,
  node,
  count: 2 ** 31 - 1,
  ...nothing,
  consumed: [],
  acks: [],
  opens: [],
  ...more,
});

/** States from each client to each other. */
async function states(attacker: Attacker, times: number, more: (from: number, to: number) => Partial<State>) {
  for (let i = 0; i < times; i++)
    for (const to of ranks)
      for (const from of others(to)) await attacker.control(`0.state.${to}`, state(from, more(from, to)));
}

const flipped = (bytes: Uint8Array): Uint8Array => {
  const copy = bytes.slice();
  copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 0x40;
  return copy;
};

/**
 * The next frames of each stream, at the numbers and under the keys that the run itself will use: those of two steps before,
 * one step on and on. With data of the attacker's own, in the forms of a run with a secret and without.
 */
async function forgedFrames(attacker: Attacker): Promise<void> {
  const streams = Map.groupBy(attacker.frames, ({ subject }) => subject);
  for (const [subject, heard] of streams) {
    const heads = heard.map((frame) => ({ ...attacker.headOf(frame), bytes: frame.bytes }));
    const next = Math.max(...heads.map(({ seq }) => seq)) + 1;
    const last = Math.max(...heads.map(({ key }) => stepOf(key)));
    const again = heads.filter(({ key }) => stepOf(key) === last - 1);
    const rest = again.slice(heads.filter(({ key }) => stepOf(key) === last).length); // what is to come of its last step
    for (const [i, head] of [...rest, ...again].entries()) {
      const key = head.key.replace(/step \d+/, `step ${i < rest.length ? last : last + 1}`);
      const data = new Uint8Array(frameBytes(head)).fill(0x3c);
      for (let form = 0; form < 2; form++)
        await attacker.say(subject, attacker.frame({ ...head, key, seq: next + i }, data));
    }
  }
}

const stepOf = (key: string): number => Number(/step (\d+)/.exec(key)?.[1] ?? -1);

async function wrongChecksums(attacker: Attacker): Promise<void> {
  for (let i = 0; i < 20_000; i++) {
    const heard = attacker.frames[i % attacker.frames.length];
    if (heard) await attacker.say(heard.subject, flipped(heard.bytes));
  }
}

async function replays(attacker: Attacker): Promise<void> {
  for (let i = 0; i < 20_000; i++) {
    const heard = attacker.frames[i % attacker.frames.length];
    if (heard) await attacker.say(heard.subject, heard.bytes);
  }
}

async function junk(attacker: Attacker): Promise<void> {
  const noise = (i: number): Uint8Array => new Uint8Array(i % 300).map((_, at) => (at * 31 + i * 17) & 255);
  for (let i = 0; i < 4060; i++)
    await attacker.say(["lobby", `0.state.${i % 4}`, dataTo(0, i % 4, (i + 1) % 4)][i % 3] as string, noise(i));
}

async function unasked(attacker: Attacker): Promise<void> {
  const data = new Uint8Array(900_000);
  const head = { run: attacker.run, epoch: 0, from: 0, dtype: "uint8", wire: "uint8", part: 0, parts: 1 } as const;
  const shape = [data.length];
  for (let seq = 0; seq < 3000; seq++)
    await attacker.say(dataTo(0, 1, 0), attacker.frame({ ...head, seq, key: `unasked ${seq}`, shape }, data));
}

/** Hellos that answer those of the run: each client there finds itself named. */
async function hellos(attacker: Attacker, count: number, claims: readonly number[]): Promise<void> {
  const heard = attacker.clients();
  const more = { epoch: 0, size: 4, fingerprint: [], complete: true, members: [], ciphers: [] };
  for (let i = 0; i < count; i++) {
    const who = { id: `0-${i}`, launch: "", run: attacker.run, ranks: [claims[i % claims.length] as number] };
    await attacker.control("lobby", { kind: "hello", ...who, ...more, heard });
  }
}

async function gone(attacker: Attacker): Promise<void> {
  const failure = JSON.stringify({ name: "Error", message: "rank 2 was killed by SIGKILL", fields: {} });
  const heard = attacker.clients();
  for (let i = 0; i < 100; i++)
    await attacker.control("lobby", { kind: "gone", id: heard[i % 4] as string, rank: i % 4, failure, heard });
}

/** All that was said so far, by anybody, said again. */
async function allAgain(attacker: Attacker): Promise<void> {
  const before = [...attacker.lobby, ...attacker.states];
  for (let i = 0; i < 20; i++)
    for (const { subject, bytes } of before.slice(0, 500)) await attacker.say(subject, bytes);
}

/** All that a run of this name said before this one, to its last words. */
async function yesterday(attacker: Attacker): Promise<void> {
  for (const { subject, bytes } of attacker.past) await attacker.say(subject, bytes);
}

const forgedStates = /states \("(?:left|open|credit|acknowledgement|heartbeat)"\)/;

export const attacks: readonly Attack[] = [
  { name: "frames forged, at the right numbers", run: forgedFrames, named: /frames [\d,]+/, standing: true },
  { name: "20,000 frames with a wrong tag", run: wrongChecksums, named: /frames [\d,]+/ },
  { name: "20,000 frames played again", run: replays, named: /frames played again/ },
  { name: "4,060 messages of junk", run: junk, named: /frames [\d,]+.*states|states.*frames/ },
  { name: "3,000 frames of 900 kB, unasked", run: unasked, named: /frames [\d,]+/ },
  { name: 'forged "left"', run: (a) => states(a, 20, (from) => ({ left: [from] })), named: /states \("left"\)/ },
  { name: 'forged "gone"', run: gone, named: /words that a rank is gone/ },
  {
    name: "100,000 forged opens",
    run: (a) =>
      states(a, 84, (from) => ({ opens: Array.from({ length: 100 }, (_, i) => [from, (i + 1).toString(16)]) })),
    named: /states \("open"\)/,
  },
  {
    name: "forged acknowledgements, credit and counters",
    run: (a) =>
      states(a, 100, (from, to) => ({
        acks: [[to, "1", 2 ** 40, 1]],
        consumed: [[to, from, 2 ** 32 - 1]],
        links: 2 ** 31 - 1,
      })),
    named: forgedStates,
  },
  { name: "a state that counts to the end", run: (a) => states(a, 1, () => ({})), named: forgedStates },
  {
    name: "20,000 hellos",
    run: (a) => hellos(a, 20_000, [1]),
    named: /\d hellos a second from unknown clients in the lobby/,
  },
  { name: "a hello of rank 4294967294", run: (a) => hellos(a, 20, [2 ** 32 - 2]), named: /messages in the lobby of/ },
  { name: "states and lobby said again", run: allAgain, named: /old states/ },
  { name: "all of an earlier run said again", run: yesterday, named: /frames [\d,]+/, follows: true },
  { name: "no secret: 20,000 frames with a wrong checksum", run: wrongChecksums, named: /frames [\d,]+/, open: true },
  { name: "no secret: 20,000 frames played again", run: replays, named: /frames played again/, open: true },
  { name: "no secret: 4,060 messages of junk", run: junk, named: /frames [\d,]+.*states|states.*frames/, open: true },
  {
    name: "no secret: hellos of ranks 4294967294 and 4",
    run: (a) => hellos(a, 40, [2 ** 32 - 2, 2 ** 32 - 2, 4, 4]),
    named: /messages in the lobby \d.*hellos \d|hellos \d.*messages in the lobby \d/,
    open: true,
  },
];
