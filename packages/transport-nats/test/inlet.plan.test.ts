// What a server says, cut anywhere: chunks of whole messages, every byte once and in order, memory that nobody reads used again.
import { expect, it } from "vitest";
import { Inlet } from "../src/connection/inlet.ts";
import { random } from "./random.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

const join = (parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part))));

/** A message as a server sends it, with line ends in its payload. */
function message(length: number, fill: number): Uint8Array {
  const payload = new Uint8Array(length).map((_, i) => (i % 5 === 0 ? 10 : fill));
  const line = fill % 2 === 0 ? `MSG run.data.${fill} 3 ${length}\r\n` : `HMSG a 1 reply.to 12 ${length}\r\n`;
  return join([bytesOf(line), payload, bytesOf("\r\n")]);
}

/** Has the inlet read `stream` in pieces; `take` gets each chunk and where it ends in the stream. */
function feed(inlet: Inlet, stream: Uint8Array, piece: () => number, take: (chunk: Uint8Array, end: number) => void) {
  let end = 0;
  for (let at = 0; at < stream.length; ) {
    const room = inlet.room();
    const count = Math.min(piece(), room.length, stream.length - at);
    room.set(stream.subarray(at, at + count));
    at += count;
    const chunk = inlet.took(count);
    end += chunk?.length ?? 0;
    if (chunk) take(chunk, end);
  }
}

it.each([1, 2, 3, 4, 5, 6, 7, 8])("gives out whole messages only, and all of them (seed %i)", (seed) => {
  const below = random(seed);
  const lines = ["PING\r\n", "+OK\r\n", 'INFO {"max_payload":1048576}\r\n', "-ERR 'Unknown'\r\n", "MSG a 1 0\r\n\r\n"];
  const parts = Array.from({ length: 60 }, () => {
    const kind = below(3);
    if (kind === 0) return bytesOf(lines[below(lines.length)] as string);
    return message(below(kind === 1 ? 40 : 400_000), 1 + below(100));
  });
  const ends = new Set(parts.map((_, i) => join(parts.slice(0, i + 1)).length));
  const pieces = [1 + below(50), 65_536, 1 + below(2_000_000)];
  const got: Uint8Array[] = [];
  const inlet = new Inlet();
  feed(
    inlet,
    join(parts),
    () => 1 + below(pieces[below(3)] as number),
    (chunk, end) => {
      expect(ends.has(end)).toBe(true);
      got.push(chunk.slice());
      inlet.giveBack(chunk);
    },
  );
  expect(Buffer.compare(join(got), join(parts))).toBe(0);
});

it("keeps a chunk as it is until it is given back, and uses two pages where it is", () => {
  const parts = Array.from({ length: 40 }, (_, i) => message(1_000_000, 1 + i));
  const inlet = new Inlet();
  const memories = new Set<ArrayBufferLike>();
  const held: { readonly chunk: Uint8Array; readonly copy: Uint8Array }[] = [];
  const next = (): void => {
    const { chunk, copy } = held.shift() ?? {};
    if (!chunk || !copy) return;
    expect(Buffer.compare(chunk, copy)).toBe(0);
    inlet.giveBack(chunk);
  };
  feed(
    inlet,
    join(parts),
    () => 300_000,
    (chunk) => {
      next(); // the one before: a reader is always one chunk behind
      memories.add(chunk.buffer);
      held.push({ chunk, copy: chunk.slice() });
    },
  );
  next();
  expect(memories.size).toBe(2);
});

it("takes other memory where nobody gives back, and larger memory for a larger message", () => {
  const parts = [...Array.from({ length: 6 }, (_, i) => message(900_000, 2 + i)), message(5_000_000, 9)];
  const inlet = new Inlet();
  const got: Uint8Array[] = [];
  feed(
    inlet,
    join(parts),
    () => 200_000,
    (chunk) => got.push(chunk),
  );
  expect(Buffer.compare(join(got), join(parts))).toBe(0);
});

it("takes memory for no payload that no server sends, and goes on", () => {
  const inlet = new Inlet();
  const stream = bytesOf("MSG a 1 99999999999999\r\nMSG\r\nMSG a b\r\nMSG a 1 -5\r\nPING\r\n");
  const got: Uint8Array[] = [];
  feed(
    inlet,
    stream,
    () => 7,
    (chunk) => got.push(chunk.slice()),
  );
  expect(Buffer.compare(join(got), stream)).toBe(0);
  expect(inlet.room().length).toBeLessThan(2 ** 22);
});
