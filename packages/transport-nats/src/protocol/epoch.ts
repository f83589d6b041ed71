// The epoch of a run: which attempt of its launcher it is, and which call of the script in it. Later ones are larger.

/** Calls of one script that an attempt has room for. */
const calls = 2 ** 20;

/** The epoch of a call of the script, counted from 0: later than that of the call before, and than all of the attempt before. */
export const epochOf = (attempt: number, call: number): number => attempt * calls + call;

/** Names an epoch as its user knows it: by the attempt, and the call where it is not the first. */
export function showEpoch(epoch: number): string {
  if (epoch < calls) return `${epoch}`;
  const call = epoch % calls;
  return `${Math.floor(epoch / calls)}${call ? `, call ${call},` : ""}`;
}
