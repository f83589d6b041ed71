// Bytes that a rank holds of one parameter (Rajbhandari et al.: ZeRO, SC 2020, figure 1). Beside it, for as long as they are in
// use: gathered segments at stage 3, gradients that are not reduced yet from stage 2 on.
import type { ZeroOptions } from "./options.ts";

/** Bytes of one parameter by kind: 4, 4 and 8 in float32 under AdamW; 2, 2 and 12 in the paper's mixed precision. */
export interface StateBytes {
  readonly params: number;
  readonly grads: number;
  readonly optimizer: number;
}

/** Bytes a parameter that each of `members` ranks holds between the backward and the update of a step. */
export function bytesPerParameter(stage: ZeroOptions["stage"], members: number, bytes: StateBytes): number {
  const part = (from: ZeroOptions["stage"]) => (stage >= from ? members : 1);
  return bytes.params / part(3) + bytes.grads / part(2) + bytes.optimizer / part(1);
}
