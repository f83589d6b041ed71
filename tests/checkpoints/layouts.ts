// Changes of layout: a run is stopped on one mesh and goes on on another. Every tensor must be the same after the load, bit by bit,
// and the losses those of one device that never stopped.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memory, type Optimizer, type Plan, plan, type Strategy, type TrainOptions, train } from "@orthant/core";
import { assemble } from "@orthant/core/internal";
import { lossError, type MeshCase, strategiesOf, tinyGpt, tinySequences } from "@orthant/testing";

/** Steps before the change, and in all. */
const [before, steps] = [5, 15];
const tolerance = 1e-5;

const at = (pp: number, dp: number, tp: number, stage: MeshCase["stage"], schedule: MeshCase["schedule"] = "1f1b") => ({
  ...{ pp, dp, tp, stage, schedule },
});

/** From and to. Three members cut no tensor of these sizes evenly. */
export const changes: readonly (readonly [from: MeshCase, to: MeshCase])[] = [
  [at(1, 1, 1, 0), at(1, 2, 1, 3)],
  [at(1, 2, 1, 3), at(1, 1, 1, 0)],
  [at(1, 2, 1, 3), at(1, 3, 1, 3)],
  [at(1, 3, 1, 3), at(1, 2, 2, 1)],
  [at(1, 2, 1, 0), at(1, 2, 1, 3)],
  [at(1, 2, 1, 1), at(1, 2, 1, 2)],
  [at(1, 3, 1, 2), at(1, 6, 1, 1)],
  [at(1, 1, 2, 0), at(2, 1, 1, 0)],
  [at(2, 1, 1, 0), at(1, 1, 2, 0)],
  [at(4, 1, 1, 0, "gpipe"), at(2, 1, 1, 0, "1f1b")],
  [at(2, 2, 2, 3), at(1, 1, 1, 0)],
  [at(1, 1, 1, 0), at(2, 2, 2, 3)],
  [at(2, 3, 2, 3), at(4, 2, 1, 1, "gpipe")],
  [at(4, 1, 2, 0), at(2, 3, 1, 2, "gpipe")],
  [at(1, 3, 2, 1), at(4, 1, 1, 3)],
];

const show = ({ pp, dp, tp, stage, schedule }: MeshCase) => `pp ${pp} dp ${dp} tp ${tp} zero ${stage} ${schedule}`;

/** What a rank last kept of its parameters and of its optimizer state: `kept[0]` are values, the others slots. */
type Kept = Map<string, Float32Array>[];

/** Sees what is kept in a store, as the outermost layer of it. */
function watching(ranks: Kept[][]): Strategy {
  const keep = (kept: Kept, slot: number, name: string, values: Float32Array) => {
    kept[slot] ??= new Map();
    kept[slot].set(name, values.slice());
  };
  return {
    name: "watching",
    store(inner, { rank }) {
      const kept: Kept = [];
      ranks[rank] = [kept];
      return {
        async update(name, value) {
          keep(kept, 0, name, (await value.data()) as Float32Array);
          return inner.update(name, value);
        },
        async keepSlots(name, slots) {
          for (const [i, slot] of slots.entries()) keep(kept, i + 1, name, (await slot.data()) as Float32Array);
          return inner.keepSlots(name, slots);
        },
      };
    },
  };
}

function jobOf(optimizer: Optimizer, over: Partial<TrainOptions>): TrainOptions {
  const fixed = { batch: 12, micros: 2, clip: 1, device: "cpu", run: false, quiet: true } as const;
  return { model: tinyGpt(), data: tinySequences(), optimizer, steps, transport: memory(), ...fixed, ...over };
}

const meshOf = (at: MeshCase): Pick<TrainOptions, "mesh" | "strategies"> => ({
  mesh: { pp: at.pp, dp: at.dp, tp: at.tp },
  strategies: strategiesOf(at, 2),
});

/** Trains, and returns the whole tensors that were kept last beside the losses. */
async function watched(options: TrainOptions) {
  const seen: Kept[][] = [];
  const job = { ...options, strategies: [watching(seen), ...(options.strategies ?? [])] };
  const { losses } = await train(job);
  return {
    losses,
    tensors: wholes(
      await plan(job),
      seen.map(([kept]) => kept!),
    ),
  };
}

function wholes(decided: Plan, kept: readonly Kept[]): Map<string, Float32Array> {
  const all = new Map<string, Float32Array>();
  for (let slot = 0; slot < kept[0]!.length; slot++)
    for (const [name, values] of assemble(
      decided,
      kept.map((lists) => lists[slot]!),
    ))
      all.set(`${name} ${slot}`, values);
  return all;
}

const different = (a: ReadonlyMap<string, Float32Array>, b: ReadonlyMap<string, Float32Array>): string[] =>
  [...a].flatMap(([name, values]) => {
    const found = b.get(name);
    const same = found?.length === values.length && values.every((value, i) => Object.is(value, found[i]));
    return same ? [] : [name];
  });

interface Row {
  readonly name: string;
  readonly tensors: number;
  readonly error: number;
  readonly failures: readonly string[];
}

async function change(
  optimizer: Optimizer,
  [from, to]: (typeof changes)[number],
  expected: readonly number[],
): Promise<Row> {
  const dir = mkdtempSync(join(tmpdir(), "orthant-layouts-"));
  try {
    const saved = await watched(
      jobOf(optimizer, { ...meshOf(from), steps: before, checkpoint: { every: before, dir } }),
    );
    const loaded = await watched(jobOf(optimizer, { ...meshOf(to), steps: before, resume: dir }));
    const { losses } = await train(jobOf(optimizer, { ...meshOf(to), resume: dir }));
    const wrong = different(saved.tensors, loaded.tensors).map((name) => `${name} is another tensor after the load`);
    const error = lossError([...saved.losses, ...losses], expected);
    const far = error <= tolerance ? [] : [`losses are off by ${error}`];
    return { name: `${show(from)} -> ${show(to)}`, tensors: loaded.tensors.size, error, failures: [...wrong, ...far] };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Runs every change under an optimizer and prints a line each. Returns how many failed. */
export async function layouts(optimizer: () => Optimizer): Promise<number> {
  const { losses } = await train(jobOf(optimizer(), {}));
  let failed = 0;
  for (const pair of changes) {
    const { name, tensors, error, failures } = await change(optimizer(), pair, losses);
    console.log(
      `${failures.length ? "FAIL" : "ok  "} ${name}: ${tensors} tensors equal, losses off by ${error.toExponential(1)}`,
    );
    for (const failure of failures) console.log(`     ${failure}`);
    failed += failures.length ? 1 : 0;
  }
  return failed;
}
