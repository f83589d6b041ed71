// `npm run bench -- prefetch`: steps on samples that come a millisecond late each, drawn in this thread and in a thread of their own,
// against steps on the same samples in memory. Sides take turns; a round compares the medians of their steps.
import { type Data, memory, run, type StepReport, sgd } from "@orthant/core";
import { mlp, stream } from "@orthant/nn";
import late, { pointOf } from "./parts/late-stream.ts";

const batch = 32;
const [rounds, steps] = [5, 12];
const input = { shape: [64], dtype: "float32" } as const;
const target = { shape: [1], dtype: "float32" } as const;
const ready: Data = { input, target, tokens: 1, sample: pointOf };
const sides: Readonly<Record<string, () => Data>> = {
  ready: () => ready,
  "late, in this thread": () => stream(late, { input, target }),
  "late, in a thread of its own": () => stream(new URL("./parts/late-stream.ts", import.meta.url), { input, target }),
};
const median = (xs: readonly number[]) => xs.toSorted((a, b) => a - b)[xs.length >> 1]!;

/** Milliseconds of a step, the first two left out: a stream begins there. */
async function stepTime(data: Data): Promise<number> {
  const times: number[] = [];
  const session = await run({
    model: mlp({ inputs: 64, outputs: 1, layers: 4, width: 512 }),
    data,
    batch,
    optimizer: sgd({ lr: 1e-6 }),
    steps,
    transport: memory(),
    run: false,
    quiet: true,
  });
  for await (const { ms } of session as AsyncIterable<StepReport>) times.push(ms);
  await session.close();
  return median(times.slice(2));
}

const found: Record<string, number[]> = Object.fromEntries(Object.keys(sides).map((name) => [name, []]));
for (let round = 0; round < rounds; round++)
  for (const [name, make] of Object.entries(sides)) found[name]!.push(await stepTime(make()));

const [first, ...others] = Object.keys(sides) as [string, ...string[]];
for (const name of others) {
  const ratio = median(found[name]!.map((ms, round) => ms / found[first]![round]!));
  console.log(
    `${name}: ${median(found[name]!).toFixed(0)} ms a step / ${median(found[first]!).toFixed(0)} ready = ${ratio.toFixed(2)}`,
  );
}
