// Moments of a run by name: what messages between ranks and errors call them. One file, so that all ranks say the same.

/** A moment of the run. Every rank that takes part in a call there has the same. */
export interface Moment {
  /** Names it in messages: `step 3 micro 1 F`. */
  readonly key: string;
  /** Counted from 0. */
  readonly step: number;
  /** Absent where the moment belongs to the whole step. */
  readonly micro?: number;
  /** True in the last step of the run. */
  readonly last?: boolean;
}

/** `step 3`, `step 3 micro 1`. */
const placeOf = (step: number, micro?: number): string => `step ${step}${micro === undefined ? "" : ` micro ${micro}`}`;

/** A moment of a step, or of a micro of it; `what` tells moments of one micro apart: `step 3 micro 1 F`. */
export function momentOf(step: number, what = "", micro?: number): Moment {
  const key = `${placeOf(step, micro)}${what && ` ${what}`}`;
  return micro === undefined ? { key, step } : { key, step, micro };
}
