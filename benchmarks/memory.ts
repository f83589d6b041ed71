// `npm run bench -- memory`: bytes a parameter that the fullest rank holds, by its meter, beside the formula. Stages 0 and 1: each
// kind at its peak. Stages 2 and 3: each kind between the backward and the update, and what is in flight at the worst moment
// beside that (gathered segments, gradients that are not reduced yet) in a column of its own. Then the ZeRO paper's table, from the same formula. Ends with 1 where one is more than 2 % off.
import { adamw, type HeldBytes, type Kind, memory, plan, type Strategy, type TrainOptions } from "@orthant/core";
import { runRanks } from "@orthant/core/internal";
import { arrays, mlp } from "@orthant/nn";
import { bytesPerParameter, zero } from "@orthant/zero";

const model = mlp({ inputs: 16, outputs: 16, layers: 34, width: 64 });
const rows = Array.from({ length: 8 }, (_, i) => Array.from({ length: 16 }, (_, j) => Math.sin(16 * i + j)));
const kinds = ["params", "grads", "optimizer"] as const satisfies readonly Kind[];

/** Notes what each rank's meter shows: all gradients reduced, before the first update; and after the last. */
function probe(held: Map<number, HeldBytes>): Strategy {
  return {
    name: "probe",
    store(inner, { rank, meter }) {
      const note = () => {
        const seen = held.get(rank) ?? meter.now;
        const most = Object.fromEntries(Object.entries(meter.now).map(([k, n]) => [k, Math.max(n, seen[k as Kind])]));
        held.set(rank, most as HeldBytes);
      };
      return {
        piece(name) {
          note();
          return inner.piece(name);
        },
        async endStep() {
          note();
        },
      };
    },
  };
}

interface Row {
  readonly count: number;
  readonly rest: HeldBytes;
  readonly peak: HeldBytes;
}

const total = (held: HeldBytes): number => kinds.reduce((sum, kind) => sum + held[kind], 0);

/** Trains a step and reads the meters of the fullest rank. */
async function measure(stage: 0 | 1 | 2 | 3, dp: number): Promise<Row> {
  const held = new Map<number, HeldBytes>();
  const options: TrainOptions = {
    model,
    data: arrays({ inputs: rows, targets: rows }),
    batch: dp,
    mesh: { dp },
    strategies: [zero({ stage, bucketBytes: 0, prefetch: 0 }), probe(held)],
    optimizer: adamw({ lr: 1e-3 }),
    steps: 1,
  };
  const decided = await plan(options);
  const outcomes = await runRanks(memory(), { options, plan: decided, events: {}, stop: new AbortController().signal });
  const fullest = outcomes.reduce((a, b) => (total(b.peak) > total(a.peak) ? b : a));
  const count = decided.specs.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  return { count, rest: held.get(fullest.rank)!, peak: fullest.peak };
}

const bytes = { params: 4, grads: 4, optimizer: 8 };
const cells = (list: readonly (string | number)[]) =>
  list.map((cell) => (typeof cell === "number" ? cell.toFixed(3) : cell).padStart(10)).join("");

async function table(): Promise<boolean> {
  let met = true;
  console.log("bytes a parameter, AdamW in float32, of the fullest rank: counted, formula, in flight beside it");
  console.log(cells(["stage", "N", "params", "grads", "optimizer", "counted", "formula", "off", "in flight"]));
  for (const stage of [0, 1, 2, 3] as const)
    for (const dp of [1, 2, 4, 8]) {
      const { count, rest: between, peak } = await measure(stage, dp);
      const rest = stage < 2 ? peak : between;
      const formula = bytesPerParameter(stage, dp, bytes);
      const found = total(rest) / count;
      const off = Math.abs(found / formula - 1);
      met &&= off <= 0.02 && count >= 1e6;
      const each = kinds.map((kind) => rest[kind] / count);
      const more = (total(peak) - total(rest)) / count;
      console.log(cells([`${stage}`, `${dp}`, ...each, found, formula, `${(100 * off).toFixed(2)} %`, more]));
    }
  return met;
}

function paper(): boolean {
  const mixed = { params: 2, grads: 2, optimizer: 12 };
  const gigabytes = ([0, 1, 2, 3] as const).map((stage) => (7.5 * bytesPerParameter(stage, 64, mixed)).toFixed(1));
  console.log(`\nZeRO paper, figure 1: 7.5B parameters, 2 + 2 + 12 bytes, N = 64: ${gigabytes.join(", ")} GB`);
  return gigabytes.join() === "120.0,31.4,16.6,1.9";
}

const met = await table();
process.exitCode = paper() && met ? 0 : 1;
