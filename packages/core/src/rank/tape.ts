// An asynchronous tape of synchronous segments. `local` runs tensor code, which tfjs can differentiate; `move` runs
// communication, which any wire can carry. Backward is the same list read from the end. The tape owns what it produced.

import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import { gatherDim, scatterSum } from "../group/dims.ts";
import type { Group } from "../group/group.ts";
import type { Meter } from "../meter.ts";
import type { Tape } from "../model/model.ts";
import { adjoint, type Held, type Placement, type Transition, transitions } from "../model/placement.ts";
import type { Segment } from "../model/segment.ts";
import type { ParamStore } from "../params/store.ts";
import type { Vjp } from "./vjp.ts";

/** One entry of the tape. */
interface Step {
  readonly y: Tensor;
  readonly back: (dy: Tensor) => Promise<[x: Tensor, dx: Tensor][]>;
  /** Frees what only `back` would have used. */
  readonly drop: () => void;
}

export interface TapeContext {
  readonly vjp: Vjp;
  readonly store: ParamStore;
  /** The group of this rank on a mesh axis. */
  readonly group: (axis: string) => Group;
  readonly meter: Meter;
  /** Names this pass in messages: `step 3 micro 1`. */
  readonly at: string;
  /** Whether this micro is the last of the step to add gradients. */
  readonly last?: boolean;
}

const bytesOf = (t: Tensor) => t.size * tf.util.bytesPerElement(t.dtype);

async function transfer(group: Group, transition: Transition, x: Tensor, dim: number, at: string): Promise<Tensor> {
  const op = transitions[transition];
  if (op === "identity") return x.clone();
  if (op === "allGather") return gatherDim(group, x.clone(), dim, at);
  if (op === "reduceScatter") return scatterSum(group, x.clone(), dim, at);
  const [sum] = await group.allReduce([x.clone()], at);
  return sum!;
}

export class GradTape implements Tape {
  readonly #steps: Step[] = [];
  /** Buffers that some pullback will read: the others are freed by `seal`. */
  readonly #needed = new Set<object>();
  /** Bytes by buffer: a clone shares its source's. */
  readonly #held = new Map<object, number>();
  readonly #context: TapeContext;
  /** Steps before this one were sealed. */
  #open = 0;

  constructor(context: TapeContext) {
    this.#context = context;
  }

  #hold(buffer: object, bytes: number): void {
    this.#context.meter.add("activations", bytes - (this.#held.get(buffer) ?? 0));
    this.#held.set(buffer, bytes);
  }

  #free(buffer: object): void {
    this.#context.meter.add("activations", -(this.#held.get(buffer) ?? 0));
    this.#held.delete(buffer);
  }

  async local<In extends Placement, Out extends Placement>(
    segment: Segment<In, Out>,
    at: string,
    ...xs: Held<NoInfer<In>>[]
  ): Promise<Held<Out>> {
    const { vjp, store, at: pass, last } = this.#context;
    const names = segment.params.map((name) => `${at}.${name}`);
    const run = (...all: Tensor[]) => segment.run(all.slice(0, names.length), ...all.slice(names.length));
    const params = await store.acquire(names, `${pass} F`);
    const { y, kept: bytes, needs, pullback, drop } = vjp(run, [...params, ...xs], segment.name);
    store.release(names);
    const kept = {}; // stands for all that the pullback keeps
    this.#hold(kept, bytes);
    this.#hold(y.dataId, bytesOf(y));
    for (const x of xs.filter((_, i) => needs[names.length + i])) this.#needed.add(x.dataId);
    const back = async (dy: Tensor): Promise<[Tensor, Tensor][]> => {
      const reread = names.filter((_, i) => needs[i]);
      const again = await store.acquire(reread, `${pass} B`);
      const values = names.map((name, i) => again[reread.indexOf(name)] ?? params[i]!); // what is not read may be gone
      const grads = pullback(dy, [...values, ...xs]);
      store.release(reread);
      this.#free(kept);
      store.addGrads(names, grads.slice(0, names.length) as Tensor[]);
      if (last) store.settleGrads?.(names, `${pass} B`);
      return xs.flatMap((x, i) => (grads[names.length + i] ? [[x, grads[names.length + i]!]] : []));
    };
    const dropAll = () => {
      drop();
      this.#free(kept);
    };
    this.#steps.push({ y, back, drop: dropAll });
    return y as Held<Out>;
  }

  async move<T extends Transition>(axis: string, transition: T, x: Tensor, dim = 0): Promise<Held<never>> {
    const group = this.#context.group(axis);
    const name = `${this.#context.at} move ${this.#steps.length}`;
    const y = await transfer(group, transition, x, dim, `${name} F`);
    const back = async (dy: Tensor): Promise<[Tensor, Tensor][]> => [
      [x, await transfer(group, adjoint(transition), dy, dim, `${name} B`)],
    ];
    this.#hold(y.dataId, bytesOf(y));
    this.#steps.push({ y, back, drop: () => {} });
    return y as Held<never>;
  }

  enter = (axis: string, x: Held<"I">): Promise<Held<"R">> => this.move(axis, "I->R", x);
  leave = (axis: string, x: Held<"P">): Promise<Held<"I">> => this.move(axis, "P->I", x);

  /** Call after a layer, whose output is `y`: frees every other output so far that no pullback will read. */
  seal(y: Tensor): void {
    for (const step of this.#steps.slice(this.#open))
      if (step.y !== y && !this.#needed.has(step.y.dataId)) this.#dispose(step.y);
    this.#open = Math.max(0, this.#steps.length - 1);
  }

  #dispose(t: Tensor): void {
    if (t.isDisposed) return;
    t.dispose();
    this.#free(t.dataId);
  }

  /** Gradient of the tape's input `x`, if it has one. Takes ownership of `dy`; adds parameter gradients to the store. */
  async backward(y: Tensor, dy: Tensor, x: Tensor): Promise<Tensor | undefined> {
    const grads = new Map<Tensor, Tensor>([[y, dy]]);
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      const g = grads.get(step.y);
      grads.delete(step.y);
      for (const [input, dx] of g ? await step.back(g) : []) accumulate(grads, input, dx);
      g?.dispose();
      this.#dispose(step.y);
    }
    const dx = grads.get(x);
    for (const g of grads.values()) if (g !== dx) g.dispose();
    return dx;
  }

  /** Frees everything but `y`, for a forward without a backward. */
  drop(y?: Tensor): void {
    for (const step of this.#steps.splice(0)) {
      step.drop();
      if (step.y !== y) this.#dispose(step.y);
    }
    if (y) this.#free(y.dataId);
  }
}

function accumulate(grads: Map<Tensor, Tensor>, input: Tensor, dx: Tensor): void {
  const seen = grads.get(input);
  grads.set(input, seen ? tf.add(seen, dx) : dx);
  if (seen) tf.dispose([seen, dx]);
}
