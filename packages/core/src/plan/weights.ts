// First values that a run is given, in place of the model's own.
import { createHash } from "node:crypto";
import { elements } from "../model/segment.ts";
import type { ParamSpec } from "../params/params.ts";
import { unknownName } from "./names.ts";
import type { JobOptions } from "./options.ts";
import { specsByUse } from "./specs.ts";

const digest = (values: Float32Array): string =>
  createHash("sha256")
    .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    .digest("hex")
    .slice(0, 12);

/** The parameters, those that `weights` has started from there. Throws on a name that the model lacks, and on another size. */
export function startFrom(specs: readonly ParamSpec[], { weights, resume }: JobOptions): readonly ParamSpec[] {
  if (!weights) return specs;
  if (resume !== undefined) throw new Error("weights and resume both say where the run starts: keep one");
  const owners = specsByUse(specs);
  const given = new Map<ParamSpec, Float32Array>();
  for (const [name, values] of weights) {
    const spec = owners.get(name);
    if (!spec) throw new Error(`weights: ${unknownName(name, { specs })}`);
    const shape = `[${spec.shape.join(", ")}]`;
    if (values.length !== elements(spec.shape))
      throw new Error(
        `weights: ${name} has ${values.length} values, and its shape ${shape} takes ${elements(spec.shape)}`,
      );
    given.set(spec, values);
  }
  return specs.map((spec) => {
    const values = given.get(spec);
    return values ? { ...spec, init: { kind: "values", values: () => values, sum: digest(values) } } : spec;
  });
}
