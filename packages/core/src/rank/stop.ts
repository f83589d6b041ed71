// Why a run stops before its last step: a signal, and the rank that it came to where it came to one alone. Travels as one
// number, as all in a report does; 0 is "go on".
import { constants } from "node:os";

export interface Stop {
  readonly signal: NodeJS.Signals;
  /** The rank that was told; undefined where several were. */
  readonly rank?: number;
}

/** More than there are signals. */
const span = 64;

/** The number of the signal of this name; 0 where there is none. */
export const signalNumber = (name: unknown): number =>
  Object.entries(constants.signals).find(([signal]) => signal === name)?.[1] ?? 0;

/** The signal that a run's `stop` was aborted for, by number: SIGINT where its reason names none; 0 where it was not. */
export const signalOf = ({ aborted, reason }: AbortSignal): number =>
  aborted ? signalNumber(reason) || signalNumber("SIGINT") : 0;

/** What a rank reports that was told to stop by the signal of this number, 0 where by none. */
export const stopCode = (rank: number, signal: number): number => signal && signal + span * (rank + 1);

/** What several reports come to: a rank is named where it is the only one. */
export function mergeStops(codes: readonly number[]): number {
  const [first = 0, ...others] = new Set(codes.filter((code) => code !== 0));
  return others.length ? first % span : first;
}

/** Reads a code; undefined for 0. */
export function toStop(code: number): Stop | undefined {
  const entry = Object.entries(constants.signals).find(([, number]) => number === code % span);
  if (code === 0 || !entry) return undefined;
  return { signal: entry[0] as NodeJS.Signals, ...(code > span && { rank: Math.floor(code / span) - 1 }) };
}
