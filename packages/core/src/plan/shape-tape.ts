// A tape that adds up sizes instead of computing: what `plan` runs a model on. Allocates no tensor; handles carry a shape and
// placements. Mirrors the bookkeeping of `GradTape`: what one keeps, the other counts.
import { axisSize, type Mesh } from "../mesh.ts";
import type { Crossing } from "../model/crossing.ts";
import { enter, leave } from "../model/crossing.ts";
import type { Random, Tape } from "../model/model.ts";
import type { Held, Placement, Placements } from "../model/placement.ts";
import { showPlacements } from "../model/placement.ts";
import { elements, type Segment, type Shape } from "../model/segment.ts";
import { localShape, type ParamSpec } from "../params/params.ts";
import type { Move, SegmentUse } from "./strategy.ts";

/** Stands for a tensor where only its shape and placements matter. */
interface Handle {
  readonly shape: Shape;
  readonly placements: Placements;
  /** Whether a backward wants its gradient. */
  readonly wanted: boolean;
  /** Clones share it, as they share memory. */
  readonly buffer: { needed: boolean; readonly size: number };
}

const handle = (shape: Shape, placements: Placements, wanted: boolean): Handle => ({
  shape,
  placements,
  wanted,
  buffer: { needed: false, size: elements(shape) },
});
const toHandle = (x: unknown): Handle => x as Handle;

/** A handle of this shape, for one side of the samples. */
export const placeholder = (shape: Shape, placements: Placements = {}): never =>
  handle(shape, placements, false) as never;

/** The output of a layer as the next one is given it: its gradient is wanted, since it may come from another stage. */
export const handedOn = (x: unknown): never => ({ ...toHandle(x), wanted: true }) as never;

export interface ShapeContext {
  readonly mesh: Mesh;
  /** Axes whose members have different samples of one loss. */
  readonly batch: readonly string[];
  /** The parameter of each use. */
  readonly specs: ReadonlyMap<string, ParamSpec>;
  /** True where nothing is kept inside segments, and backwards read all that forwards did. */
  readonly recompute: boolean;
}

export class ShapeTape implements Tape {
  flops = 0;
  readonly segments: SegmentUse[] = [];
  readonly moves: Move[] = [];
  readonly losses: string[] = [];
  #kept = 0;
  readonly #outputs: Handle[] = [];
  readonly #context: ShapeContext;

  readonly training = true;

  constructor(context: ShapeContext) {
    this.#context = context;
  }

  get batch(): readonly string[] {
    return this.#context.batch;
  }

  #spec(name: string): ParamSpec {
    const { specs } = this.#context;
    const spec = specs.get(name);
    if (!spec)
      throw new Error(`a segment reads ${name}, which no layer declares; declared: ${[...specs.keys()].join(", ")}`);
    return spec;
  }

  async local<In extends Placements, Out extends Placements>(
    segment: Segment<In, Out>,
    at: string,
    ...xs: Held<NoInfer<In>>[]
  ): Promise<Held<Out>> {
    const { mesh, recompute } = this.#context;
    const inputs = xs.map(toHandle);
    for (const x of inputs)
      this.#checkPlaced(`segment ${segment.name}${at && ` at ${at}`}`, segment.from, x.placements);
    const params = segment.params.map((name) => this.#spec(`${at}.${name}`));
    const shapes = params.map((spec) => localShape(spec, mesh));
    const { shape, flops, kept } = segment.shape(shapes, ...inputs.map((x) => x.shape));
    const reads = (i: number) => recompute || (segment.reads?.[i] ?? true);
    this.flops += flops;
    const wanted = params.some(({ frozen }) => !frozen) || inputs.some((x) => x.wanted);
    const uses = segment.params.map((name) => `${at}.${name}`);
    this.segments.push({ name: segment.name, uses, params, reread: wanted ? params.filter((_, i) => reads(i)) : [] });
    if (wanted && !recompute) this.#kept += kept;
    for (const [i, { buffer }] of inputs.entries()) if (wanted && reads(params.length + i)) buffer.needed = true;
    return this.#output(handle(shape, segment.to, wanted)) as unknown as Held<Out>;
  }

  #output(y: Handle): Handle {
    this.#outputs.push(y);
    return y;
  }

  /** Throws where what is handed over is held otherwise than asked, along an axis with more than one member. */
  #checkPlaced(who: string, expected: Placements, found: Placements): void {
    const { mesh } = this.#context;
    const axes = [...new Set([...Object.keys(expected), ...Object.keys(found)])].filter(
      (axis) => axisSize(mesh, axis) > 1,
    );
    if (axes.every((axis) => (expected[axis] ?? "I") === (found[axis] ?? "I"))) return;
    const cut = axes.find((axis) => found[axis] === "V" && !(axis in expected));
    const way = cut
      ? `: the members of ${cut} see a part each, and this segment was not written for one; use a model that was`
      : ": cross over before it";
    throw new Error(
      `${who} takes a tensor ${showPlacements(expected)} and is handed one ${showPlacements(found)}${way}`,
    );
  }

  async move(axis: string, crossing: Crossing<Placement, Placement>, x: unknown): Promise<never> {
    const { shape, placements, buffer, wanted } = toHandle(x);
    const members = axisSize(this.#context.mesh, axis);
    const { [axis]: from, ...others } = placements;
    this.#checkPlaced(`${crossing.name} along ${axis}`, { ...others, [axis]: crossing.from }, placements);
    const moved = crossing.shape(shape, members);
    const forward = crossing.calls(shape, members);
    const backward = wanted ? crossing.back().calls(moved, members) : []; // else no gradient comes back
    this.moves.push({ axis, crossing: crossing.name, from: crossing.from, to: crossing.to, forward, backward });
    const y = handle(moved, { ...placements, [axis]: crossing.to }, wanted);
    // A crossing that asks nothing of its group hands the same memory on.
    const free = members === 1 || forward.length === 0;
    return (free ? { ...y, buffer } : this.#output(y)) as never;
  }

  enter = (axis: string, x: unknown): Promise<never> => this.move(axis, enter, x);
  leave = (axis: string, x: unknown): Promise<never> => this.move(axis, leave, x);
  at = (axis: string) => ({ rank: 0, size: axisSize(this.#context.mesh, axis) });

  random(): Random {
    return {
      uniform: async (x) => this.#output(handle(toHandle(x).shape, toHandle(x).placements, false)) as never,
    };
  }

  addLoss(name: string, sum: unknown): void {
    toHandle(sum).buffer.needed = true;
    this.losses.push(name);
  }

  /** Elements of the parameters of the largest segment. */
  get widest(): number {
    const sizes = this.segments.map(({ params }) =>
      sum(params.map((spec) => elements(localShape(spec, this.#context.mesh)))),
    );
    return Math.max(0, ...sizes);
  }

  /** Elements held from forward to backward, when `y` is the output. */
  kept(y: unknown): number {
    toHandle(y).buffer.needed = true;
    return this.#kept + sum(this.#outputs.map(({ buffer }) => (buffer.needed ? buffer.size : 0)));
  }

  /** Elements held at the end of the forward, before what no backward reads is freed. */
  get peak(): number {
    return this.#kept + sum(this.#outputs.map(({ buffer }) => buffer.size));
  }
}

const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0);
