// Plans of a graph of cuDNN: which engines can run it, by its heuristics, and what they do to numbers.
import type { Cudnn } from "./calls.ts";

/** A plan of a graph, and the bytes of workspace that it needs. */
export interface Planned {
  readonly plan: number;
  readonly workspace: number;
}

/** What an engine does beside sums of products, by cuDNN's numbers. */
export const note = {
  tensorCore: 0,
  downConverts: 1,
  reducedSums: 2,
  fft: 3,
  nondeterministic: 4,
  winograd: 5,
} as const;

const heuristic = { a: 3, fallback: 2 } as const;

/** Configurations that are looked through where some are left out. */
const LONG = 48;

function configs(cudnn: Cudnn, graph: number, mode: number, most: number): number[] {
  try {
    const named = cudnn.make("heuristic", [
      [201, "descriptor", [graph]],
      [200, "heuristic", [mode]],
    ]);
    return cudnn.list(named, 202, "config", most);
  } catch {
    return []; // it knows nothing of such graphs
  }
}

function hasNote(cudnn: Cudnn, config: number, notes: readonly number[]): boolean {
  if (!notes.length) return false;
  const [engine] = cudnn.list(config, 300, "engine", 1);
  return cudnn.notes(engine!).some((each) => notes.includes(each));
}

function planOf(cudnn: Cudnn, config: number): Planned | undefined {
  try {
    const plan = cudnn.make("plan", [
      [401, "descriptor", [config]],
      [400, "handle", [cudnn.handle]],
    ]);
    return { plan, workspace: cudnn.number(plan, 402) };
  } catch {
    return undefined; // the heuristic was wrong: this engine does not do it
  }
}

/** Plans that the heuristics name, the likely fastest first, at most so many; those whose engine has one of some notes left out. */
export function plansOf(cudnn: Cudnn, graph: number, most: number, without: readonly number[] = []): Planned[] {
  const found: Planned[] = [];
  for (const mode of [heuristic.a, heuristic.fallback]) {
    if (found.length) break;
    for (const config of configs(cudnn, graph, mode, without.length ? LONG : most)) {
      if (found.length === most) break;
      const plan = hasNote(cudnn, config, without) ? undefined : planOf(cudnn, config);
      if (plan) found.push(plan);
    }
  }
  return found;
}
