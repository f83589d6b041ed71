// What processes write, cut into chunks anywhere, comes out as the same lines.
import { expect, test } from "vitest";
import { Lines, type Piece } from "../src/run/lines.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const line = (text: string): Piece => ({ kind: "line", text });
const drawn = (text: string): Piece => ({ kind: "progress", text });
const settled: Piece = { kind: "settled" };

/** All pieces of a stream that comes in chunks of `size` bytes. */
function pieces(text: string, size: number): Piece[] {
  const lines = new Lines();
  const bytes = bytesOf(text);
  const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.slice(i * size, (i + 1) * size),
  );
  return [...chunks.flatMap((chunk) => lines.hear(chunk)), ...lines.end()];
}

const cases: Record<string, [text: string, expected: Piece[]]> = {
  "lines, the last without an end": ["one\ntwo", [line("one"), line("two")]],
  "empty lines": ["\n\na\n", [line(""), line(""), line("a")]],
  "line ends of Windows": ["one\r\n\r\ntwo\r\n", [line("one"), line(""), line("two")]],
  "characters of several bytes": ["na\u00efve \u{1f600}\n\u20ac", [line("na\u00efve \u{1f600}"), line("\u20ac")]],
  "a progress line": ["\rstep 1\x1b[K\rstep 2\x1b[K\n", [drawn("step 1"), drawn("step 2"), settled]],
  "text between its drawings": ["\r1\x1b[Kmine\n\r2\x1b[K\n", [drawn("1"), line("mine"), drawn("2"), settled]],
  "a drawing amid a line": ["mi\r1\x1b[Kne\n", [drawn("1"), line("mine")]],
  "a bar of the script's own, as a terminal shows it": ["\r10 %\r20 %\rdone\nnext\n", [line("done"), line("next")]],
};

test.each(Object.entries(cases))("%s", (_, [text, expected]) => {
  for (const size of [1, 2, 3, 5, 1000]) expect(pieces(text, size)).toEqual(expected);
});

test("a bar that never ends takes no memory", () => {
  const lines = new Lines();
  const from = performance.now();
  for (let i = 0; i < 100_000; i++) lines.hear(bytesOf(`\r${i}`));
  expect(lines.end()).toEqual([line("99999")]);
  expect(performance.now() - from).toBeLessThan(3000);
});
