// What a user picks to carry the frames of a run: opened once in each process, then joined by each of its threads that
// holds ranks. Says which ranks live in this process and over how many threads they may spread; hosts/ runs them.
import { type Mesh, meshSize } from "../mesh.ts";
import type { Endpoint } from "./endpoint.ts";

/** Choice of where ranks live and what carries frames between them. */
export interface Transport {
  /** Names it in messages, and to the worker threads of a run. */
  readonly name: string;
  /** Ranks that live in this process; all of the mesh where absent. */
  readonly ranks?: readonly number[] | undefined;
  /** Threads of this process to spread its ranks over, never more than ranks: 1, which is this thread, where absent. */
  readonly workers?: number | undefined;
  /** ms that a rank waits for another; also the least that a worker thread may take to come to `train`. 60 000 where absent. */
  readonly stall?: number | undefined;
  /** The module that each worker thread runs; the program's main module where absent. */
  readonly script?: string | URL | undefined;
  /**
   * Connects this process to the others, once. Resolves to a ticket for its threads: plain data, shared memory included,
   * unless all ranks live in this thread. Rejects in one line where the ranks cannot meet.
   */
  open(job: TransportJob): Promise<unknown>;
  /** Makes the endpoints, by rank, of the ranks at home on `thread`; called once in each thread that has some. */
  join(ticket: unknown, thread: number): ReadonlyMap<number, Endpoint>;
}

/** What a transport is told when it opens. */
export interface TransportJob {
  readonly mesh: Mesh;
  /** The ranks of each thread of this process. */
  readonly threads: readonly (readonly number[])[];
  /** Number of the script's call of `train` or `run`, from 0: the runs of one script meet apart. */
  readonly call?: number;
  /** What all processes must agree on, by name. */
  readonly agreed: Readonly<Record<string, string>>;
}

/** ms that a rank waits for data: a little less than others wait for it, so that the data is named and not a stall. */
export const patienceOf = ({ stall = 60_000 }: Pick<Transport, "stall">): number => 0.9 * stall;

/** Lists the ranks of this process. */
export const ranksHere = ({ ranks }: Pick<Transport, "ranks">, mesh: Mesh): readonly number[] =>
  ranks ?? Array.from({ length: meshSize(mesh) }, (_, rank) => rank);
