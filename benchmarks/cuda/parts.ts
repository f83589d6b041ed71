// Where V8's profiler saw the processor, by part of the code: a function belongs to the folder of its file.
import type { Profiler } from "node:inspector";

/** Parts by a piece of the file's address or, for what has no file, by the function's name; the first that fits. */
const parts: readonly (readonly [part: string, fits: RegExp])[] = [
  ["tfjs", /tfjs-/],
  ["koffi", /koffi/],
  ["driver, products, cuDNN", /backend-cuda\/src\/(driver|blas|cudnn|library)/],
  ["memory and the backend", /backend-cuda\/src\/(memory|backend)/],
  ["kernels", /backend-cuda\/src/],
  ["kernels by name", /core\/src\/devices/],
  ["the tape", /core\/src\/(rank\/tape|model)/],
  ["parameters and gradients", /core\/src\/params/],
  ["the rank's step", /core\/src/],
  ["segments", /nn\/src/],
  ["garbage collector", /garbage collector/],
];

/** ms of each part, the longest first. */
export function byPart({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): [part: string, ms: number][] {
  const partOf = new Map(
    nodes.map(({ id, callFrame: { url, functionName } }) => {
      const found = parts.find(([, fits]) => fits.test(url || functionName));
      return [id, found?.[0] ?? (functionName === "(idle)" ? "idle" : "Node, this program")];
    }),
  );
  const spent = new Map<string, number>();
  for (const [i, id] of samples.entries()) {
    const part = partOf.get(id)!;
    spent.set(part, (spent.get(part) ?? 0) + timeDeltas[i]! / 1000);
  }
  return [...spent].toSorted(([, a], [, b]) => b - a);
}
