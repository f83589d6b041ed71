// What checkpoints promise, shown. Usage: node tests/checkpoints/main.ts [part ...]: all parts by default.
import { argv, exit } from "node:process";
import { adamw, sgd } from "@orthant/core";
import { apart } from "./apart.ts";
import { figures } from "./figures.ts";
import { killed } from "./killed.ts";
import { layouts } from "./layouts.ts";
import { elastic, spare } from "./machines.ts";
import { readers } from "./readers.ts";
import { transports } from "./transports.ts";

/** Each prints what it saw and returns how many of its cases failed. */
const parts: Record<string, () => Promise<number>> = {
  "layouts-sgd": () => layouts(() => sgd({ lr: 0.03, momentum: 0.9 })),
  "layouts-adamw": () => layouts(() => adamw({ lr: 3e-3 })),
  transports: async () => transports(),
  readers,
  apart,
  elastic,
  spare,
  killed: () => killed(Number(process.env.KILLS ?? 20)),
  figures,
};

const wanted = argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(parts, name));
if (unknown.length) throw new Error(`no part ${unknown.join(", ")}; there are ${Object.keys(parts).join(", ")}`);
let failed = 0;
for (const [name, run] of Object.entries(parts)) {
  if (wanted.length && !wanted.includes(name)) continue;
  const from = performance.now();
  console.log(`\n${name}`);
  const failures = await run();
  failed += failures;
  console.log(`${failures ? `${failures} failed` : "all well"}, ${((performance.now() - from) / 1000).toFixed(0)} s`);
}
exit(failed ? 1 : 0);
