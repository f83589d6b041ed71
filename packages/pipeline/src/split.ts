// Which layers make a stage: contiguous runs of layers, by cost or as the user says. Pure arithmetic.
// The slowest stage sets the pace of a pipeline, so the largest stage cost is what to minimise.

/**
 * Finds the numbers of layers per stage such that the largest stage cost is least; of those, the most even one (least sum of squares);
 * of those, the one with the shorter early stages, which under 1F1B hold the most activations. Never an empty stage.
 * Throws on more stages than layers.
 */
export function splitByCost(costs: readonly number[], stages: number, axis = "pp"): number[] {
  checkStages(costs.length, stages, axis);
  const largest = cheapest(costs, stages, (cost) => cost, Math.max).price;
  const square = (cost: number): number => (cost > largest ? Number.POSITIVE_INFINITY : cost * cost);
  return [...cheapest(costs, stages, square, (a, b) => a + b).counts];
}

/** Returns the split that the user gave, `split[s]` layers in stage s. Throws, with the arithmetic, where it does not fit. */
export function checkedSplit(split: readonly number[], layers: number, stages: number, axis = "pp"): readonly number[] {
  checkStages(layers, stages, axis);
  const shown = `split [${split.join(", ")}]`;
  if (split.length !== stages)
    throw new Error(`${shown} names ${split.length} stages; ${axis} ${stages} needs ${stages}`);
  const bad = split.find((count) => !Number.isInteger(count) || count < 1);
  if (bad !== undefined) throw new Error(`${shown}: ${bad} is not a number of layers; each stage needs 1 or more`);
  const sum = split.reduce((a, b) => a + b, 0);
  if (sum !== layers) throw new Error(`${shown} places ${split.join(" + ")} = ${sum} layers; this model has ${layers}`);
  return split;
}

/** Turns counts of layers into their indices: `[2, 1]` into `[[0, 1], [2]]`. */
export function toStages(counts: readonly number[]): number[][] {
  let next = 0;
  return counts.map((count) => Array.from({ length: count }, () => next++));
}

function checkStages(layers: number, stages: number, axis: string): void {
  if (stages <= layers) return;
  const need = `${axis} ${stages} needs at least ${stages} layers to give each stage one`;
  throw new Error(`${need}; this model has ${layers}: use ${axis} ${layers} or fewer`);
}

interface Cut {
  readonly price: number;
  readonly counts: readonly number[];
}

/** Finds, by dynamic programming over (stages, layers so far), the contiguous cut whose joined stage prices are least. */
function cheapest(
  costs: readonly number[],
  stages: number,
  price: (cost: number) => number,
  join: (a: number, b: number) => number,
): Cut {
  let best: readonly (Cut | undefined)[] = [{ price: 0, counts: [] }];
  for (let stage = 0; stage < stages; stage++)
    best = Array.from({ length: costs.length + 1 }, (_, end) => {
      let found: Cut | undefined;
      let cost = 0;
      for (let start = end - 1; start >= 0; start--) {
        cost += costs[start] ?? 0;
        const before = best[start];
        const total = before && join(before.price, price(cost));
        if (before && total !== undefined && total <= (found?.price ?? Number.POSITIVE_INFINITY))
          found = { price: total, counts: [...before.counts, end - start] };
      }
      return found;
    });
  return best[costs.length] ?? { price: Number.POSITIVE_INFINITY, counts: [] };
}
