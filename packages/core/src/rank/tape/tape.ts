// An asynchronous tape of synchronous segments. `local` runs tensor code, which tfjs can differentiate; `move` runs
// communication, which any transport can carry. Backward is the same list read from the end. The tape owns what it produced.
import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import { addGradient } from "../../devices/kernels/gradients.ts";
import type { Group } from "../../group/group.ts";
import { type Meter, tensorBytes } from "../../meter.ts";
import { type Crossing, enter, leave } from "../../model/crossing.ts";
import type { Random, Tape } from "../../model/model.ts";
import type { Held, Placement, Placements } from "../../model/placement.ts";
import type { Segment } from "../../model/segment.ts";
import type { Gradients } from "../../params/gradients.ts";
import type { Moment } from "../../params/moment.ts";
import type { ParamStore } from "../../params/store.ts";
import { AuxiliaryLosses } from "../auxiliary.ts";
import { Buffers } from "./buffers.ts";
import {
  constantStep,
  type Half,
  type InputGradient,
  type SegmentRun,
  type Step,
  segmentStep,
} from "./segment-step.ts";
import type { Vjp } from "./vjp.ts";

export interface TapeContext {
  readonly vjp: Vjp;
  readonly store: ParamStore;
  /** Where gradients go; absent where there is no backward. */
  readonly gradients?: Gradients;
  /** The parameter that a use of a segment stands for. */
  paramOf(use: string): string;
  /** False where there is no backward, and nothing is dropped. */
  readonly training: boolean;
  /** Axes whose members have different samples of one loss. */
  readonly batch: readonly string[];
  /** This rank's group on a mesh axis. */
  group(axis: string): Group;
  readonly meter: Meter;
  /** Names a moment of this micro. */
  moment(what: string): Moment;
  /** Uniform numbers of this micro, in the shape of `x`. */
  uniform(name: string, x: Tensor, cuts: Readonly<Record<string, number>>): Tensor;
}

export class GradTape implements Tape {
  readonly #steps: Step[] = [];
  /** Steps whose backward of parameters is still to come, with the gradients of their outputs. */
  readonly #later: { readonly step: Step; readonly dy: Tensor | undefined }[] = [];
  readonly #auxiliary = new AuxiliaryLosses();
  /** Tensors that some trained parameter, or the stage before, wants the gradient of. */
  readonly #wanted = new Set<Tensor>();
  readonly #buffers: Buffers;
  readonly #context: TapeContext;
  /** Steps before this one were sealed. */
  #open = 0;

  /** `x` is what the tape starts from, where a stage before wants its gradient. */
  constructor(context: TapeContext, x?: Tensor) {
    this.#context = context;
    this.#buffers = new Buffers(context.meter);
    if (x) this.#wanted.add(x);
  }

  get training(): boolean {
    return this.#context.training;
  }

  get batch(): readonly string[] {
    return this.#context.batch;
  }

  #moment = (what: string) => this.#context.moment(what);

  async local<In extends Placements, Out extends Placements>(
    segment: Segment<In, Out>,
    at: string,
    ...xs: Held<NoInfer<In>>[]
  ): Promise<Held<Out>> {
    const { vjp, store, gradients, paramOf } = this.#context;
    const uses = segment.params.map((name) => `${at}.${name}`);
    const names = uses.map((use) => paramOf(use));
    const run = (...all: Tensor[]) => segment.run(all.slice(0, names.length), ...all.slice(names.length));
    const params = await store.acquire(names, this.#moment("F"));
    const linear = vjp(run, [...params, ...xs], segment.name);
    store.release(names);
    const { y } = linear;
    this.#buffers.hold(y.dataId, tensorBytes(y));
    const trained = gradients && (uses.some((use) => gradients.trains(use)) || xs.some((x) => this.#wanted.has(x)));
    this.#steps.push(trained ? this.#differentiable({ uses, names, params, xs, linear }) : constantStep(linear));
    return y as Held<Out>;
  }

  #differentiable(run: Omit<SegmentRun, "wanted" | "store" | "gradients" | "moment" | "freed">): Step {
    const { xs, uses, linear } = run;
    const { store, gradients } = this.#context;
    const kept = {}; // stands for all that the pullback keeps
    this.#buffers.hold(kept, linear.kept);
    for (const x of xs.filter((_, i) => linear.needs[uses.length + i])) this.#buffers.need(x.dataId);
    const wanted = xs.map((x) => x.dtype === "float32" && this.#wanted.has(x));
    this.#wanted.add(linear.y);
    const freed = () => this.#buffers.free(kept);
    return segmentStep({ ...run, wanted, store, gradients: gradients!, moment: this.#moment, freed });
  }

  async move(axis: string, crossing: Crossing<Placement, Placement>, x: Tensor): Promise<never> {
    const group = this.#context.group(axis);
    const name = `move ${this.#steps.length}`;
    const y = await crossing.apply(group, x, this.#moment(`${name} F`).key);
    const wanted = this.#wanted.has(x);
    if (wanted) this.#wanted.add(y);
    const back = async (dy: Tensor): Promise<InputGradient[]> =>
      wanted ? [[x, await crossing.back().apply(group, dy, this.#moment(`${name} B`).key)]] : [];
    this.#buffers.hold(y.dataId, tensorBytes(y));
    this.#steps.push({ y, back, drop: () => {} });
    return y as never;
  }

  enter = (axis: string, x: Tensor): Promise<never> => this.move(axis, enter, x);
  leave = (axis: string, x: Tensor): Promise<never> => this.move(axis, leave, x);

  at(axis: string): { readonly rank: number; readonly size: number } {
    const { rank, size } = this.#context.group(axis);
    return { rank, size };
  }

  random(name: string): Random {
    return {
      uniform: async (x, cuts = {}) => {
        const y = this.#context.uniform(name, x, cuts);
        this.#buffers.hold(y.dataId, tensorBytes(y));
        this.#steps.push({ y, back: async () => [], drop: () => {} });
        return y as never;
      },
    };
  }

  addLoss(name: string, sum: Tensor): void {
    this.#auxiliary.add(name, sum);
    this.#buffers.need(sum.dataId);
  }

  /** The auxiliary losses of this micro, by name. */
  losses = (): Promise<Map<string, number>> => this.#auxiliary.read();

  /** Call after a layer, whose output is `y`: frees every other output so far that no pullback will read. */
  seal(y: Tensor): void {
    for (const step of this.#steps.slice(this.#open))
      if (step.y !== y && !this.#buffers.needed(step.y.dataId)) this.#dispose(step.y);
    this.#open = Math.max(0, this.#steps.length - 1);
    this.#wanted.add(y);
  }

  #dispose(t: Tensor): void {
    if (t.isDisposed) return;
    t.dispose();
    this.#buffers.free(t.dataId);
  }

  /**
   * Gradient of the tape's input `x`, if it has one. Takes ownership of `dy`; `seed` is the gradient of auxiliary losses.
   * After the half "inputs", `backwardWeights` has the rest.
   */
  async backward(
    y: Tensor,
    dy: Tensor,
    x: Tensor,
    { half = "whole" as Half, seed = 1 } = {},
  ): Promise<Tensor | undefined> {
    const grads = new Map<Tensor, Tensor>([[y, dy]]);
    for (const sum of this.#auxiliary.sums) accumulate(grads, sum, tf.fill(sum.shape, seed));
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      const g = grads.get(step.y);
      grads.delete(step.y);
      for (const [input, dx] of g ? await step.back(g, half) : []) accumulate(grads, input, dx);
      if (half === "inputs") this.#later.push({ step, dy: g });
      else g?.dispose();
      if (!g) step.drop();
      if (half === "whole") this.#dispose(step.y);
    }
    const dx = grads.get(x);
    for (const g of grads.values()) if (g !== dx) g.dispose();
    return dx;
  }

  /** The gradients of parameters that `backward` left out, in the same order. Frees the tape. */
  async backwardWeights(): Promise<void> {
    for (const { step, dy } of this.#later) {
      if (dy) await step.weights?.(dy);
      dy?.dispose();
    }
    for (const { step } of this.#later.splice(0)) this.#dispose(step.y);
  }

  /** Frees everything but `y`, for a forward without a backward. */
  drop(y?: Tensor): void {
    for (const step of this.#steps.splice(0)) {
      step.drop();
      if (step.y !== y) this.#dispose(step.y);
    }
    if (y) this.#buffers.free(y.dataId);
  }
}

function accumulate(grads: Map<Tensor, Tensor>, input: Tensor, dx: Tensor): void {
  const seen = grads.get(input);
  grads.set(input, seen ? addGradient({ seen, dx }) : dx);
  if (seen) tf.dispose([seen, dx]);
}
