// The names on the server: all of a run's begin with `orthant.RUN.`, so permissions can keep runs apart. A message to
// several ranks is published once, on the subject of that set of ranks, which their clients subscribe to.

export interface Subjects {
  /** What all clients and launchers of the run hear. */
  readonly lobby: string;
  /** What launchers hear that are numbered as they come. */
  readonly machines: string;
  /** What the client whose lowest rank is `node` hears of the others. */
  state(node: number): string;
  /** Parts of frames from one rank to a set of ranks. */
  data(set: string, from: number | "*"): string;
}

/** Makes the subjects of a run, or of its start `RUN.N` after N others. Throws where `run` cannot be part of a subject. */
export function subjectsOf(run: string, epoch: number): Subjects {
  if (!/^[\w-]{1,64}(\.[1-9]\d*)?$/.test(run)) throw new Error(`run "${run}": 1 to 64 letters, digits, _ and -`);
  const prefix = `orthant.${run}`;
  return {
    lobby: `${prefix}.lobby`,
    machines: `${prefix}.machines`,
    state: (node) => `${prefix}.${epoch}.state.${node}`,
    data: (set, from) => `${prefix}.${epoch}.data.${set}.${from}`,
  };
}

/** Names a set of ranks by a hexadecimal bitmap: 256 ranks are 64 characters. */
export const setOf = (ranks: readonly number[]): string =>
  ranks.reduce((set, rank) => set | (1n << BigInt(rank)), 0n).toString(16);

/** Lists the ranks of a set; none where it is not one of ranks below `size`, by the one name that it has. */
export function ranksOf(set: string, size: number): number[] {
  if (!/^[1-9a-f][\da-f]{0,1023}$/.test(set)) return [];
  const bits = BigInt(`0x${set}`);
  if (bits >> BigInt(size)) return [];
  return Array.from({ length: size }, (_, rank) => rank).filter((rank) => (bits >> BigInt(rank)) & 1n);
}
