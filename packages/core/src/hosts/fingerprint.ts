// What every thread and process of a run must have alike, by name: each runs the user's script for itself, so they could
// differ. Short values as they are, long ones as a hash.
import { createHash } from "node:crypto";
import { type JobOptions, showMesh } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";
import { version } from "../version.ts";

const hash = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 12);

/** Reads the first microbatch: data that each worker draws for itself differs in it. */
async function firstSamples(data: JobOptions["data"], seed: number, count: number): Promise<unknown> {
  try {
    const samples = await Promise.all(Array.from({ length: count }, (_, i) => data.sample(i, seed, 0)));
    return samples.map(({ input, target }) => [[...input], [...target]]);
  } catch {
    return "none"; // told when the sample is read
  }
}

/** Names what two threads or processes have not alike. */
export const differing = (a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): string[] =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((name) => a[name] !== b[name]);

export async function fingerprint(options: JobOptions, plan: Plan): Promise<Record<string, string>> {
  const { model, data, optimizer, strategies = [], batch, steps, seed = 0, clip = "none", recompute = false } = options;
  const learning = Array.from({ length: Math.min(steps, 100) }, (_, step) => optimizer.lr(step));
  const whole = { batch, micros: plan.micros, steps, seed, clip, recompute };
  return {
    "@orthant/core": version(),
    mesh: `{ ${showMesh(plan.mesh)} }`,
    model: `${model.name} ${hash(plan.specs)}`,
    strategies: strategies.map(({ name, axis = "" }) => `${name}(${axis})`).join(", ") || "none",
    schedule: hash([plan.stages, plan.schedule]),
    ...Object.fromEntries(Object.entries(whole).map(([name, value]) => [name, String(value)])),
    optimizer: `${optimizer.name} ${hash(learning)}`,
    data: hash([data.input, data.target, data.tokens, await firstSamples(data, seed, plan.microSize)]),
    run: options.run === false ? "not written" : "written",
    checkpoint: JSON.stringify([options.checkpoint ?? "none", options.resume ?? "from the start"]),
  };
}
