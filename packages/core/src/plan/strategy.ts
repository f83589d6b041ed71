// The public plugin interface: a plain object from a factory that answers questions about one mesh axis, or about none.
// Strategies compose by folding a list; core knows no strategy and no axis by name.
import type { Group } from "../group/group.ts";
import type { Call } from "../group/price.ts";
import type { Mesh } from "../mesh.ts";
import type { HeldBytes, Meter } from "../meter.ts";
import type { Placement } from "../model/placement.ts";
import type { Shape } from "../model/segment.ts";
import type { ParamSpec } from "../params/params.ts";
import type { BaseStore, Dealt, ParamStore, StoreLayer } from "../params/store.ts";
import type { Schedule } from "../schedule/schedule.ts";

/** What the members of an axis do not share: samples, stages, or a dim of every sample. */
export type Divides = "batch" | "layers" | { readonly dim: number };

/** One change of placement in a layer's forward. */
export interface Move {
  readonly axis: string;
  readonly crossing: string;
  readonly from: Placement;
  readonly to: Placement;
  /** What one member asks of its group in forward, then in backward. */
  readonly forward: readonly Call[];
  readonly backward: readonly Call[];
}

/** The parameters that one run of a segment takes, and those that its backward takes again. */
export interface SegmentUse {
  readonly name: string;
  /** The names under which it uses its parameters. */
  readonly uses: readonly string[];
  readonly params: readonly ParamSpec[];
  readonly reread: readonly ParamSpec[];
}

/** One call of `acquire`: the parameters of a segment in its forward, those its backward reads, or half of it. */
export interface Acquire {
  readonly stage: number;
  readonly micro: number;
  readonly op: "F" | "B" | "W";
  readonly params: readonly ParamSpec[];
}

/** One layer as one rank sees it, for one microbatch; measured by a dry run that allocates nothing. */
export interface LayerShape {
  readonly name: string;
  readonly params: readonly ParamSpec[];
  readonly segments: readonly SegmentUse[];
  /** Floating-point operations of one forward. */
  readonly flops: number;
  /** Elements kept from forward to backward. */
  readonly kept: number;
  /** Elements held at the end of the forward, before what no backward reads is freed. */
  readonly peak: number;
  /** Elements of the parameters of its largest segment: what a sharded store gathers at once. */
  readonly widest: number;
  /** Elements of the output: what a pipeline sends on. */
  readonly out: number;
  readonly moves: readonly Move[];
  /** Names of the auxiliary losses that it adds. */
  readonly losses: readonly string[];
}

/** The model on this mesh: what `schedule`, `stages` and `cost` decide by. */
export interface ModelShape {
  readonly mesh: Mesh;
  readonly layers: readonly LayerShape[];
  /** Microbatches per step, before any strategy has its say. */
  readonly micros: number;
}

/** A call of one group of the strategy's axis; where another strategy divides the layers, one stage's group makes it. */
export interface PlannedCall extends Call {
  /** Times in one step; 1 by default. */
  readonly times?: number;
  /** Steps from one to the next; 1 by default. */
  readonly every?: number;
}

/** What a rank holds, for the bytes that a strategy adds to it. */
export interface HeldInput {
  readonly params: readonly ParamSpec[];
  /** Every `acquire` of its step that the strategy's layer gets. */
  readonly acquires: readonly Acquire[];
  /** Elements that it keeps of a parameter. */
  kept(spec: ParamSpec): number;
  /** Elements of the piece that it updates. */
  piece(spec: ParamSpec): number;
  /** Tensors of optimizer state per parameter. */
  readonly slots: number;
}

/** What a strategy asks of its axis in a step. */
export interface Cost {
  /** What goes over the strategy's axis in one step. */
  readonly calls: readonly PlannedCall[];
  /** Bytes that a rank holds on the strategy's account, by kind, beside what every rank holds; negative where it saves some. */
  held?(rank: HeldInput): Partial<HeldBytes>;
}

/** What `cost` may look at. */
export interface CostInput {
  readonly model: ModelShape;
  readonly stages: readonly (readonly number[])[];
  readonly schedule: Schedule;
  /** The parameters of each call of `reduce` in a step, over all stages. */
  readonly reductions: readonly (readonly ParamSpec[])[];
  /** Every `acquire` of a step that the strategy's layer gets, by position on the axis that divides the layers, in order. */
  readonly acquires: readonly (readonly Acquire[])[];
  /** Elements of the piece that a rank updates of a parameter, after all cuts, those of strategies later in the list too. */
  piece(spec: ParamSpec): number;
  /** Shape of what `reduce` is handed: the local parameter's, or a vector where strategies before it in the list cut it flat. */
  gradShape(spec: ParamSpec): Shape;
  /** Shape of what `acquire` is to lend, likewise: a gradient may be cut where the parameter is whole. */
  valueShape(spec: ParamSpec): Shape;
}

/** How the bytes of one axis travel: compression under any strategy. */
export interface Wire {
  /** The same group, its bytes in another form. */
  wrap(group: Group): Group;
  /** Bytes that all `members` of a group send in one call of the wrapped group: exact, tested against counted bytes. */
  bytes(call: Call, members: number): number;
}

/** What a store may know of its rank. */
export interface RankView {
  readonly rank: number;
  readonly mesh: Mesh;
  /** This rank's members on a mesh axis. */
  group(axis: string): Group;
  /** Every owner of tensors reports to it. */
  readonly meter: Meter;
  /** As in `CostInput`, on this rank. */
  gradShape(spec: ParamSpec): Shape;
  /** Shape of what `acquire` is to lend, as in `CostInput`. */
  valueShape(spec: ParamSpec): Shape;
  /** Every `acquire` of a step that this layer gets, in order, but for those of no parameter. */
  readonly acquires: readonly Acquire[];
  /** As in `HeldInput`. */
  kept(spec: ParamSpec): number;
  /** Elements of the piece that it updates, likewise. */
  piece(spec: ParamSpec): number;
  readonly slots: number;
}

/** Plugin that says how an axis of the mesh, or the whole run, divides the work. Its parts are folded in list order. */
export interface Strategy {
  readonly name: string;
  /** The mesh axis it is about, in the user's word. Several strategies may share one; absent where it is about none. */
  readonly axis?: string;
  /** What the members of `axis` do not share; absent where they share all but what `split` and the model's crossings cut. */
  readonly divides?: Divides;
  /**
   * Each member of `axis` trains for itself: a loss, a norm, a clipping and a control exchange of its own (the islands
   * of DiLoCo: Douillard et al., 2023). They meet every so many steps: only there can a run be stopped.
   */
  readonly independent?: { readonly every: number };
  /** Where does each parameter live? Pure. */
  split?(param: ParamSpec, mesh: Mesh): ParamSpec;
  /** Which layers make a stage? Pure. `stages[s]` lists the layers of stage s, in order. */
  stages?(model: ModelShape): readonly (readonly number[])[];
  /** When does each action run? Pure. States what the strategy adds; core adds REDUCE_GRAD. */
  schedule?(schedule: Schedule, model: ModelShape): Schedule;
  /**
   * Gradients are handed to `reduce` in buckets of at least this many bytes, of what the strategies' `reduce` is first handed;
   * the largest of the list counts. A segment at a time where absent; Infinity for all at once, when the backward is done.
   */
  readonly bucketBytes?: number;
  /** How do bytes travel along `axis`? */
  readonly wire?: Wire;
  /** Who holds a parameter now? The only hook that communicates. The first strategy of the list is the outermost layer. */
  store?(inner: ParamStore, rank: RankView): StoreLayer;
  /**
   * Where do values and optimizer state rest? The innermost store, in place of the one that keeps them on the device; one strategy
   * of the list may have it. `values` of an entry are computed when they are read: read one, put it away, read the next.
   */
  base?(dealt: readonly Dealt[], rank: RankView): Promise<BaseStore>;
  /**
   * What does its layer ask of the store inside, where that is not each `acquire` that it gets itself? Pure: for the costs, and
   * the plans, of strategies later in the list.
   */
  asks?(acquires: readonly Acquire[], view: Pick<CostInput, "valueShape">): readonly Acquire[];
  /** What does it cost? Pure; tested against counted bytes. */
  cost?(plan: CostInput): Cost;
}
