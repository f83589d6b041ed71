// Random delays before every message under ZeRO, by seed: the same bits as without, no deadlock.
// Usage: node tests/delays.ts [seeds]: 100 by default, of every case.
import { argv, exit } from "node:process";
import { delayCases, delayFailures, showDelayCase, trainDelayed } from "../packages/zero/test/delays.ts";

const seeds = Number(argv[2] ?? 100);
let failed = 0;
for (const at of delayCases) {
  const from = performance.now();
  const expected = await trainDelayed(at);
  const failures: string[] = [];
  for (let seed = 0; seed < seeds; seed++) {
    const found = await trainDelayed(at, seed).catch((error: Error) => error);
    const words = found instanceof Error ? [found.message] : delayFailures(found, expected);
    failures.push(...words.map((word) => `  seed ${seed}: ${word}`));
  }
  failed += failures.length;
  const seconds = ((performance.now() - from) / 1000).toFixed(0);
  console.log(`${showDelayCase(at)}: ${seeds} seeds, ${failures.length} failures, ${seconds} s`);
  for (const failure of failures) console.log(failure);
}
exit(failed ? 1 : 0);
