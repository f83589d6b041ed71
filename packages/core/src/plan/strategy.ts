// The public plugin interface. A strategy owns one mesh axis and answers at most five questions about it.
import type { Group } from "../group/group.ts";
import type { Mesh } from "../mesh.ts";
import type { Transition } from "../model/placement.ts";
import type { ParamSpec } from "../params/params.ts";
import type { ParamStore } from "../params/store.ts";
import type { Schedule } from "../schedule/schedule.ts";

/** One change of placement in a layer's forward: what a strategy's `cost` prices. */
export interface Move {
  readonly axis: string;
  readonly transition: Transition;
  /** Elements this rank hands in. */
  readonly elements: number;
}

/** One layer as one rank sees it, for one microbatch; measured by a dry run that allocates nothing. */
export interface LayerShape {
  readonly name: string;
  readonly params: readonly ParamSpec[];
  /** Floating-point operations of one forward. */
  readonly flops: number;
  /** Elements kept from forward to backward. */
  readonly kept: number;
  /** Elements held at the end of the forward, before what no backward reads is freed. */
  readonly peak: number;
  /** Elements of the parameters of its largest segment: what a sharded store gathers at once. */
  readonly widest: number;
  /** Elements of the parameters that backwards read, over all segments: what a sharded store gathers again. */
  readonly reread: number;
  /** Elements of the output: what a pipeline sends on. */
  readonly out: number;
  readonly moves: readonly Move[];
}

/** The model on this mesh: what `schedule`, `stages` and `cost` decide by. */
export interface ModelShape {
  readonly mesh: Mesh;
  readonly layers: readonly LayerShape[];
  /** Microbatches per step and data-parallel rank, before any strategy has its say. */
  readonly micros: number;
}

/** Bytes summed over all ranks of the mesh. */
export interface Cost {
  /** Sent in one step along the strategy's axis. */
  readonly sent: number;
}

export interface Strategy {
  readonly name: string;
  /** The mesh axis this strategy owns. */
  readonly axis: string;
  /** Where does each parameter live? Pure. */
  split?(param: ParamSpec): ParamSpec;
  /** Which layers make a stage? Pure. `stages[s]` lists the layers of stage s, in order. */
  stages?(model: ModelShape): readonly (readonly number[])[];
  /** When does each action run? Pure. */
  schedule?(schedule: Schedule, model: ModelShape): Schedule;
  /** Who holds a parameter now? The only hook that communicates. */
  store?(inner: ParamStore, group: Group): ParamStore;
  /** What does it cost? Pure; tested against counted bytes. */
  cost?(plan: CostInput): Cost;
}

/** What `cost` may look at. */
export interface CostInput {
  readonly model: ModelShape;
  readonly stages: readonly (readonly number[])[];
  readonly schedule: Schedule;
}
