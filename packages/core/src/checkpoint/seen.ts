// What a run saw so far, as a state keeps it: a learning rate that follows the loss goes on where it was. Losses are float64 in
// base64, little-endian: a long run has many.
import type { Evaluation, Seen } from "../params/optimizer.ts";

export interface StoredSeen {
  readonly losses: string;
  readonly evaluations: readonly Evaluation[];
}

export const toStored = ({ losses, evaluations }: Seen): StoredSeen => ({
  losses: Buffer.from(Float64Array.from(losses).buffer).toString("base64"),
  evaluations: [...evaluations],
});

/** Reads what was seen; nothing where nothing was kept. Lists of its own, which the run adds to. */
export const fromStored = (stored?: StoredSeen): { losses: number[]; evaluations: Evaluation[] } => ({
  losses: stored ? [...new Float64Array(Uint8Array.from(Buffer.from(stored.losses, "base64")).buffer)] : [],
  evaluations: [...(stored?.evaluations ?? [])],
});

/** What is wrong with what was seen in `steps` steps, in words; undefined where nothing is. */
export function faultOfSeen(seen: StoredSeen | undefined, steps: number): string | undefined {
  if (seen === undefined) return undefined;
  const { losses, evaluations } = seen ?? {};
  if (typeof losses !== "string" || !Array.isArray(evaluations)) return "has no losses and evaluations";
  const bytes = Buffer.from(losses, "base64");
  if (bytes.length % 8 !== 0 || bytes.length / 8 > steps || bytes.toString("base64") !== losses)
    return `has losses that are not those of ${steps} steps: ${bytes.length} bytes`;
  const bad = evaluations.findIndex(
    (one) => ![one?.step, one?.loss, one?.samples].every((value) => Number.isFinite(value)),
  );
  return bad < 0
    ? undefined
    : `has an evaluation ${bad} that cannot be: ${JSON.stringify(evaluations[bad])?.slice(0, 200)}`;
}
