// A tape that adds up sizes instead of computing: what `plan` runs a model on. Allocates no tensor; handles carry a
// shape only. Mirrors the bookkeeping of `GradTape`: what one keeps, the other counts.
import { axisSize, type Mesh } from "../mesh.ts";
import type { Tape } from "../model/model.ts";
import type { Held, Placement, Transition } from "../model/placement.ts";
import { elements, type Segment, type Shape } from "../model/segment.ts";
import { localShape, type ParamSpec } from "../params/params.ts";
import type { Move } from "./strategy.ts";

/** Stands for a tensor where only its shape matters. */
interface Handle {
  readonly shape: Shape;
  /** Clones share it, as they share memory. */
  readonly buffer: { needed: boolean; readonly size: number };
}

const handle = (shape: Shape): Handle => ({ shape, buffer: { needed: false, size: elements(shape) } });
const shapeOf = (x: unknown) => (x as Handle).shape;
const bufferOf = (x: unknown) => (x as Handle).buffer;

/** A handle of this shape, to start a layer with. */
export const placeholder = (shape: Shape): Held<"I"> => handle(shape) as unknown as Held<"I">;

function movedShape(transition: Transition, shape: Shape, dim: number, members: number): Shape {
  if (transition === "V->R") return shape.map((size, d) => (d === dim ? size * members : size));
  if (transition === "P->V") return shape.map((size, d) => (d === dim ? size / members : size));
  return shape;
}

export class ShapeTape implements Tape {
  flops = 0;
  /** Elements of the parameters of the largest segment. */
  widest = 0;
  /** Elements of the parameters that backwards read, over all segments. */
  reread = 0;
  readonly moves: Move[] = [];
  #kept = 0;
  readonly #outputs: Handle[] = [];
  readonly #mesh: Mesh;
  readonly #specs: ReadonlyMap<string, ParamSpec>;
  readonly #recompute: boolean;

  /** `recompute`: nothing is kept inside segments, and backwards read all that forwards did. */
  constructor(mesh: Mesh, specs: ReadonlyMap<string, ParamSpec>, recompute: boolean) {
    this.#mesh = mesh;
    this.#specs = specs;
    this.#recompute = recompute;
  }

  #param(name: string): Shape {
    const spec = this.#specs.get(name);
    if (!spec)
      throw new Error(
        `a segment reads ${name}, which no layer declares; declared: ${[...this.#specs.keys()].join(", ")}`,
      );
    return localShape(spec, this.#mesh);
  }

  async local<In extends Placement, Out extends Placement>(
    segment: Segment<In, Out>,
    at: string,
    ...xs: Held<NoInfer<In>>[]
  ): Promise<Held<Out>> {
    const params = segment.params.map((name) => this.#param(`${at}.${name}`));
    const { shape, flops, kept } = segment.shape(params, ...xs.map(shapeOf));
    const reads = (i: number) => this.#recompute || (segment.reads?.[i] ?? true);
    const sizes = params.map(elements);
    this.flops += flops;
    this.widest = Math.max(this.widest, sum(sizes));
    this.reread += sum(sizes.filter((_, i) => reads(i)));
    if (!this.#recompute) this.#kept += kept;
    xs.forEach((x, i) => {
      if (reads(params.length + i)) bufferOf(x).needed = true;
    });
    const y = handle(shape);
    this.#outputs.push(y);
    return y as unknown as Held<Out>;
  }

  async move<T extends Transition>(axis: string, transition: T, x: unknown, dim = 0): Promise<Held<never>> {
    const shape = shapeOf(x);
    this.moves.push({ axis, transition, elements: elements(shape) });
    const members = axisSize(this.#mesh, axis);
    if (transition === "I->R" || members === 1) return { shape, buffer: bufferOf(x) } as unknown as Held<never>;
    const y = handle(movedShape(transition, shape, dim, members));
    this.#outputs.push(y);
    return y as unknown as Held<never>;
  }

  enter = (axis: string, x: Held<"I">): Promise<Held<"R">> => this.move(axis, "I->R", x);
  leave = (axis: string, x: Held<"P">): Promise<Held<"I">> => this.move(axis, "P->I", x);

  /** Elements held from forward to backward, when `y` is the output. */
  kept(y: unknown): number {
    bufferOf(y).needed = true;
    return this.#kept + sum(this.#outputs.map(({ buffer }) => (buffer.needed ? buffer.size : 0)));
  }

  /** Elements held at the end of the forward, before what no backward reads is freed. */
  get peak(): number {
    return this.#kept + sum(this.#outputs.map(({ buffer }) => buffer.size));
  }
}

const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0);
