// What every thread and process of a run must have alike, by name: each runs the user's script for itself, so they could
// differ. Short values as they are, long ones as a hash.
import { createHash } from "node:crypto";
import { type JobOptions, showMesh } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";
import { version } from "../version.ts";

const hash = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 12);

export function fingerprint(options: JobOptions, plan: Plan): Record<string, string> {
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
    data: hash([data.input, data.target, data.tokens]),
    run: options.run === false ? "not written" : "written",
    checkpoint: JSON.stringify([options.checkpoint ?? "none", options.resume ?? "from the start"]),
  };
}
