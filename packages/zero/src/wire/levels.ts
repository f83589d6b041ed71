// Collectives in two levels: inside each machine, and across machines among the members at the same place, so that a slow link
// carries each byte once. Members i of N are on machine floor(i / n). A group on one machine has one level. Deterministic: a sum
// runs in rank order inside, then over machines in their order.
import type { Group } from "@orthant/core";
import type { Codec } from "./codec.ts";
import { type Lost, type Part, shareParts, sumParts, type Way } from "./parts.ts";

export interface Levels {
  readonly inside: Way;
  readonly across: Way;
}

/** How many members a machine has, and how many machines there are. Throws where they do not divide. */
export function machinesOf(members: number, machine: number): { readonly n: number; readonly machines: number } {
  const n = Math.min(machine, members);
  if (members % n !== 0)
    throw new Error(
      `zero({ machine: ${machine} }): ${members} members are ${members} / ${machine} machines, which is not whole; ` +
        "give a number that divides the axis",
    );
  return { n, machines: members / n };
}

/** Members of the machine of member `rank`, and those at its place on each machine. */
function placesOf(rank: number, n: number, machines: number) {
  const [first, place] = [rank - (rank % n), rank % n];
  return {
    inside: Array.from({ length: n }, (_, i) => first + i),
    across: Array.from({ length: machines }, (_, m) => m * n + place),
  };
}

/** The levels of a group whose members are on machines of `machine` each. */
export function levelsOf(group: Group, codec: Codec, machine: number, lost?: Lost): Levels {
  const { n, machines } = machinesOf(group.size, machine);
  const { inside, across } = placesOf(group.rank, n, machines);
  const way = (members: readonly number[]): Way => ({ group: among(group, members), codec, lost });
  return { inside: way(inside), across: way(across) };
}

function among(group: Group, members: readonly number[]): Group {
  if (members.length === group.size) return group;
  if (members.length === 1) return { ...group, rank: 0, size: 1 };
  if (group.subgroup) return group.subgroup(members);
  throw new Error(`axis ${group.axis}: this transport's groups have no subgroups: leave machine out`);
}

/** Sums my part over all members: `parts[i]` is for member i. */
export async function scatter({ inside, across }: Levels, parts: readonly Part[], at: string): Promise<Part> {
  const [n, machines] = [inside.group.size, across.group.size];
  const forPlace = Array.from({ length: n }, (_, l) =>
    Array.from({ length: machines }, (_, m) => parts[m * n + l]!).flat(),
  );
  const sums = await sumParts(inside, forPlace, `${at} inside`);
  const tensors = sums.length / machines;
  const forMachine = Array.from({ length: machines }, (_, m) => sums.slice(m * tensors, (m + 1) * tensors));
  return sumParts(across, forMachine, `${at} across`);
}

/** Brings everyone's part, by member; that of member i is of `sizes[i]`. */
export async function share(
  { inside, across }: Levels,
  mine: Part,
  sizes: readonly (readonly number[])[],
  at: string,
): Promise<Part[]> {
  const [n, machines] = [inside.group.size, across.group.size];
  const ofPlace = (l: number) => Array.from({ length: machines }, (_, m) => sizes[m * n + l]!);
  const places = Array.from({ length: n }, (_, l) => ofPlace(l).flat());
  const fromMachines = await shareParts(across, mine, ofPlace(inside.group.rank), `${at} across`);
  const fromPlaces = await shareParts(inside, fromMachines.flat(), places, `${at} inside`);
  return sizes.map((_, i) => {
    const [m, l] = [Math.floor(i / n), i % n];
    return fromPlaces[l]!.slice(m * mine.length, (m + 1) * mine.length);
  });
}

/** Bytes that all members send in one `scatter` or `share`; `sizes[i]` are those of member i's part. */
export function bytesOfLevels(codec: Codec, sizes: readonly (readonly number[])[], machine: number): number {
  const { n, machines } = machinesOf(sizes.length, machine);
  const places = Array.from({ length: n }, (_, l) =>
    Array.from({ length: machines }, (_, m) => sizes[m * n + l]!).flat(),
  );
  const sum = (parts: readonly (readonly number[])[]) => parts.reduce((total, part) => total + codec.bytes(part), 0);
  return machines * (n - 1) * sum(places) + (machines - 1) * sum(sizes);
}
