// Every strategy with every other, in both orders, each on an axis of two members, against one device: losses, gradients,
// parameters, bytes sent and held. Usage: node tests/pairs.ts [name [name]]: only the rows, and columns, of that name.
import { argv, exit } from "node:process";
import { pipeline } from "@orthant/pipeline";
import { builtIn, type Cell, type Fixture, pairRunner, zero3Step } from "@orthant/testing";
import { zbH1 } from "../packages/testing/schedules/zb-h1.ts";
import * as strategies from "../packages/testing/strategies/fixtures.ts";

const zeroBubble: Fixture = {
  name: "zb-h1",
  make: ({ size }) => ({ mesh: { pp: size }, strategies: [pipeline({ schedule: zbH1, micros: 2 })] }),
};

const { contextFixture, diskFixture, dropoutFixture, expertsFixture, frozenFixture } = strategies;
const { hybridFixture, int8Fixture, islandsFixture, tiedFixture } = strategies;
const fixtures: readonly Fixture[] = [
  ...builtIn,
  zero3Step,
  zeroBubble,
  hybridFixture,
  contextFixture,
  expertsFixture,
  islandsFixture,
  int8Fixture,
  diskFixture,
  dropoutFixture,
  frozenFixture,
  tiedFixture,
];

const stages = "(pipeline|zb-h1|tied)";

/** Refusals that are right: which pairs, `first, second`, and what the message must say. */
const expected: readonly (readonly [pair: RegExp, says: RegExp])[] = [
  // The model has one list of layers, its samples one dim of positions, its experts one axis.
  [RegExp(`^${stages}, ${stages}$`), /both divide the layers along pp: keep one/],
  [/^context, context$/, /both divide dim 0 of every sample along cp: keep one/],
  [/^experts, experts$/, /both divide the batch along ep: keep one/],
  // The same again, on the one axis that the model crosses over, or on none.
  [/^tensorParallel, tensorParallel$/, /tensorParallel\(\) is listed twice along tp: keep one/],
  [/^disk, disk$/, /disk\(\) is listed twice: keep one/],
  [/^frozen, frozen$/, /freeze\(\) is listed twice: keep one/],
  // Bytes travel in one form.
  [/^int8, int8$/, /has 2 wires, int8\(\) and int8\(\): keep one/],
  // A pipeline replaces the schedule: what was added before it would be lost. The other order works.
  [RegExp(`^zero 3 step, ${stages}$`), /list pipeline\(\) before the others/],
];

const show = ({ kind, error = 0 }: Cell): string =>
  kind === "ok" ? error.toExponential(0) : kind === "refused" ? kind : kind.toUpperCase();
const isExpected = ({ first, second, why }: Cell): boolean =>
  expected.some(([pair, reason]) => pair.test(`${first}, ${second}`) && reason.test(why));

const [row, column] = argv.slice(2);
const rows = fixtures.filter(({ name }) => row === undefined || name === row);
const columns = fixtures.filter(({ name }) => column === undefined || name === column);
const width = Math.max(...fixtures.map(({ name }) => name.length)) + 1;
const cells: Cell[] = [];
const run = pairRunner();
const from = performance.now();
console.log(`first \\ second`.padEnd(width + 1) + columns.map(({ name }) => name.slice(0, 8).padStart(9)).join(""));
for (const first of rows) {
  const line: Cell[] = [];
  for (const second of columns) line.push(await run(first, second));
  console.log(first.name.padEnd(width + 1) + line.map((cell) => show(cell).padStart(9)).join(""));
  cells.push(...line);
}

const of = (kind: Cell["kind"]) => cells.filter((cell) => cell.kind === kind);
for (const cell of cells.filter(({ kind }) => kind !== "ok"))
  console.log(
    `\n${cell.first}, ${cell.second}: ${cell.kind}${cell.kind === "refused" && !isExpected(cell) ? ", unexpectedly" : ""}\n${cell.why}`,
  );
const wrong = [...of("wrong"), ...of("failed")];
const surprises = of("refused").filter((cell) => !isExpected(cell));
const seconds = ((performance.now() - from) / 1000).toFixed(0);
console.log(`\n${of("ok").length} ok, ${of("refused").length} refused, ${wrong.length} wrong; ${seconds} s`);
exit(wrong.length || surprises.length ? 1 : 0);
