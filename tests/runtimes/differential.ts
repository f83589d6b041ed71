// The whole differential test as tables: 72 meshes and a few options more, under AdamW and under SGD with momentum, on
// both transports. Usage: node tests/runtimes/differential.ts [words]: only the cases whose name holds all of the words.
import { argv, exit } from "node:process";
import {
  differential,
  extras,
  grid,
  onThreads,
  type Row,
  showCase,
  showRow,
  showWorst,
  tableHead,
  underAdamw,
  underSgd,
} from "@orthant/testing";
import { workersFor } from "./threads-host.ts";

const words = argv.slice(2);
const cases = [...grid, ...extras, ...onThreads(grid)].filter((at) =>
  words.every((word) => showCase(at).includes(word)),
);
const runs = [
  { title: "AdamW, clipped: losses", training: underAdamw(), threads: workersFor("adamw") },
  {
    title: "SGD with momentum, clipped: losses, gradients of every step, parameters",
    training: underSgd(),
    threads: workersFor("sgd"),
  },
];

const rows: Row[] = [];
for (const { title, training, threads } of runs) {
  console.log(`\n${title}\n${tableHead}`);
  const more = await differential({ ...training, cases, threads }, (row) => console.log(showRow(row)));
  console.log(more.length ? showWorst(more) : `no case has ${words.join(" and ")} in its name`);
  rows.push(...more);
}
const failed = rows.filter(({ failures }) => failures.length).length;
console.log(`\n${rows.length - failed} passed, ${failed} failed`);
exit(failed || !rows.length ? 1 : 0);
