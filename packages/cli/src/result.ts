// How a command ended. Nothing but the type.

export interface Result {
  /** 0 done, 1 it cannot work, 2 wrong usage: the process's exit code. */
  readonly code: 0 | 1 | 2;
  /** For standard output where the code is 0, else for standard error. */
  readonly text: string;
}
