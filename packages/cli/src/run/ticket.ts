// What a process of `orthant run` finds in its environment. Plain data without secrets.

export interface LaunchTicket {
  /** Path of the user's script, and what it sees behind its name. */
  readonly script: string;
  readonly args: readonly string[];
  /** Ranks of the run, and those of this process. */
  readonly size: number;
  readonly ranks: readonly number[];
  readonly run: string;
  /** The launcher's name in the run's lobby. */
  readonly launch: string;
  /** Addresses; none where the ranks are threads of one process. */
  readonly servers: readonly string[];
  /** Whether what travels is encrypted. */
  readonly encrypt: boolean;
  /** The launcher's process. */
  readonly parent: number;
  /** How often the run was started before; undefined where it is started once. */
  readonly attempt: number | undefined;
  /** The mesh that the script gives is made to fit `size`. */
  readonly elastic: boolean;
  /** Width of the terminal that shows this process's progress. */
  readonly columns: number | undefined;
}

const name = "ORTHANT_LAUNCH";

export const withTicket = (ticket: LaunchTicket): Record<string, string> => ({ [name]: JSON.stringify(ticket) });

/** Throws where this process was not started by the launcher. */
export function readTicket(env: Readonly<Record<string, string | undefined>>): LaunchTicket {
  const text = env[name];
  if (!text) throw new Error(`no ${name} in the environment: start a script with orthant run --ranks 2 train.ts`);
  return JSON.parse(text) as LaunchTicket;
}
