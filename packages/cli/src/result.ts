// How a command ended, and the error of a command that was written wrong.

export interface Result {
  /** 0 done, 1 it cannot work, 2 wrong usage; of `orthant run`, what the script ended with. */
  readonly code: number;
  /** For standard output where the code is 0, else for standard error; "" where all is said. */
  readonly text: string;
}

/** Wrong usage: one line that says what to write. */
export class UsageError extends Error {}
