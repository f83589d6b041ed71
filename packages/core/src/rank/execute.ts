// The interpreter: one handler per op and one loop. All cleverness lives in the schedule.
import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import type { Group } from "../group/group.ts";
import { type Meter, tensorBytes } from "../meter.ts";
import type { AnyLayer, AnyModel } from "../model/model.ts";
import type { Gradients } from "../params/gradients.ts";
import type { Moment } from "../params/moment.ts";
import type { ParamStore } from "../params/store.ts";
import { type Action, type Op, showAction } from "../schedule/schedule.ts";
import type { GradTape } from "./tape/tape.ts";

/** One stage of this rank's pipeline. */
export interface StageContext {
  readonly layers: readonly AnyLayer[];
  /** Parameters that its UNSHARD gathers. */
  readonly params: readonly string[];
  /** Parameters whose reductions its REDUCE_GRAD waits for: all of this rank's at the last one, none at those before. */
  readonly awaited: readonly string[];
  /** Whether its backward comes in halves: B and W. */
  readonly halves: boolean;
}

/** One step of one rank, or a batch that it evaluates, as its actions need it. */
export interface StepContext {
  /** Names it in messages: `step 3`. */
  readonly at: string;
  /** No backward follows: what a forward leaves is freed at once. */
  readonly forwardOnly?: boolean;
  /** Names a moment of it that belongs to no micro. */
  moment(what: string): Moment;
  readonly model: AnyModel;
  readonly store: ParamStore;
  readonly gradients: Gradients;
  readonly meter: Meter;
  /** The group of the axis that divides the layers, and the position on it that runs a stage. */
  readonly pipe: Group;
  ownerOf(stage: number): number;
  readonly stages: readonly StageContext[];
  /** `x` is what the tape starts from, where its gradient goes to the stage before. */
  newTape(micro: number, x?: Tensor): GradTape;
  /** Reads one side of a microbatch, as a fresh tensor that the caller owns. */
  read(micro: number, side: "input" | "target"): Promise<Tensor>;
  /** Tries the model's loss on what the first micro gives it; absent but in the first step. */
  checkLoss?(y: Tensor, target: Tensor): Promise<void>;
  /** Gradient of the step's loss with respect to a micro's loss sum: 1 / tokens of the batch. */
  readonly seed: number;
  /** Called after each action; times in milliseconds. */
  onAction(action: Action, from: number, to: number): void;
}

/** What a rank's stages computed of one micro. */
export interface MicroLoss {
  /** The loss sum, where this rank runs the last stage; else 0. */
  loss: number;
  /** Terms that it is a sum of, where the model says so; else 0. */
  count: number;
  /** Auxiliary losses by name. */
  readonly auxiliary: Map<string, number>;
}

/** A micro between its forward and the end of its backward. */
interface Live {
  readonly tape: GradTape;
  readonly x: Tensor;
  readonly y: Tensor;
  readonly target: Tensor | undefined;
}

interface Mail {
  readonly arrived: Map<string, Tensor>;
  readonly outgoing: Map<string, Tensor>;
  /** Sends under way: they must end before the step does, and compute does not wait for them. */
  readonly sending: Promise<void>[];
}

const key = ({ stage, micro }: Action) => `${stage}.${micro}`;

function take<V>(map: Map<string, V>, at: string): V {
  const value = map.get(at);
  if (value === undefined) throw new Error(`nothing is there for ${at}: the schedule was not validated`);
  map.delete(at);
  return value;
}

class Step {
  readonly #context: StepContext;
  readonly #mail: Mail = { arrived: new Map(), outgoing: new Map(), sending: [] };
  readonly #live = new Map<string, Live>();
  readonly #losses = new Map<number, MicroLoss>();

  constructor(context: StepContext) {
    this.#context = context;
  }

  readonly #perform: Record<Op, (a: Action) => unknown> = {
    RECV_F: (a) => this.#receive(a.stage - 1, "F", a),
    RECV_B: (a) => this.#receive(a.stage + 1, "B", a),
    SEND_F: (a) => this.#send(a.stage + 1, "F", a),
    SEND_B: (a) => this.#send(a.stage - 1, "B", a),
    F: (a) => this.#forward(a),
    B: (a) => this.#backward(a),
    W: (a) => this.#backwardWeights(a),
    UNSHARD: (a) => this.#context.store.acquire(this.#stage(a).params, this.#moment(a)),
    RESHARD: (a) => this.#context.store.release(this.#stage(a).params),
    REDUCE_GRAD: (a) => this.#context.gradients.finish(this.#stage(a).awaited, this.#moment(a)),
  };

  async run(actions: readonly Action[]): Promise<ReadonlyMap<number, MicroLoss>> {
    for (const action of actions) {
      const from = performance.now();
      await Promise.resolve(this.#perform[action.op](action)).catch((cause) => {
        throw new ActionError(action, cause);
      });
      this.#context.onAction(action, from, performance.now());
    }
    await Promise.all(this.#mail.sending);
    return this.#losses;
  }

  #stage = ({ stage }: Action): StageContext => this.#context.stages[stage]!;
  #isLast = ({ stage }: Action): boolean => stage === this.#context.stages.length - 1;
  #moment = ({ stage }: Action) => this.#context.moment(`stage ${stage}`);

  #send(to: number, way: "F" | "B", action: Action): void {
    const { pipe, ownerOf, at } = this.#context;
    const x = take(this.#mail.outgoing, `${way}${key(action)}`);
    const sent = pipe.send(ownerOf(to), x, `${at} ${way}${key(action)}`);
    sent.catch(() => {}); // reported when the step awaits it
    this.#mail.sending.push(sent);
  }

  async #receive(from: number, way: "F" | "B", { stage, micro }: Action): Promise<void> {
    const { pipe, ownerOf, at } = this.#context;
    const x = await pipe.recv(ownerOf(from), `${at} ${way}${from}.${micro}`);
    this.#mail.arrived.set(`${way}${stage}.${micro}`, x);
  }

  async #forward(action: Action): Promise<void> {
    const { context, mail } = { context: this.#context, mail: this.#mail };
    const { stage, micro = 0 } = action;
    const x = stage === 0 ? await context.read(micro, "input") : take(mail.arrived, `F${key(action)}`);
    if (stage > 0) context.meter.add("activations", tensorBytes(x));
    const tape = context.newTape(micro, stage > 0 ? x : undefined);
    let y: Tensor = x;
    for (const layer of this.#stage(action).layers) {
      y = await layer.forward(tape, y as never);
      tape.seal(y);
    }
    const target = this.#isLast(action) ? await context.read(micro, "target") : undefined;
    if (target && micro === 0) await context.checkLoss?.(y, target);
    if (target) y = await context.model.loss(tape, y as never, target as never);
    else mail.outgoing.set(`F${key(action)}`, y.clone());
    if (target && y.size > 2) throw new Error(unreduced(y));
    if (target) tape.seal(y);
    this.#live.set(key(action), { tape, x, y, target });
    await this.#note(micro, tape, target && y);
    if (!context.forwardOnly) return;
    tape.drop();
    this.#end(action);
  }

  /** Reads the losses of a micro: `sum` is the main one. */
  async #note(micro: number, tape: GradTape, sum: Tensor | undefined): Promise<void> {
    const seen = this.#losses.get(micro) ?? { loss: 0, count: 0, auxiliary: new Map<string, number>() };
    this.#losses.set(micro, seen);
    if (sum) [seen.loss = 0, seen.count = 0] = await sum.data();
    if (sum && !(Number.isInteger(seen.count) && seen.count >= 0)) throw new Error(unreduced(sum)); // a loss for each of two samples
    for (const [name, value] of await tape.losses()) seen.auxiliary.set(name, (seen.auxiliary.get(name) ?? 0) + value);
  }

  async #backward(action: Action): Promise<void> {
    const { seed, at } = this.#context;
    const { tape, x, y } = this.#live.get(key(action))!;
    const dy = this.#isLast(action) ? seedOf(y, seed) : take(this.#mail.arrived, `B${key(action)}`);
    const { halves } = this.#stage(action);
    const dx = await tape.backward(y, dy, x, { half: halves ? "inputs" : "whole", seed });
    if (!halves) this.#end(action);
    const { stage } = action;
    if (stage === 0) dx?.dispose();
    else if (dx) this.#mail.outgoing.set(`B${key(action)}`, dx);
    else throw new Error(`${at}: stage ${stage} gives its input no gradient, and stage ${stage - 1} waits for one`);
  }

  async #backwardWeights(action: Action): Promise<void> {
    await this.#live.get(key(action))!.tape.backwardWeights();
    this.#end(action);
  }

  /** Frees what a micro leaves of this stage. */
  #end(action: Action): void {
    const { x, target } = take(this.#live, key(action));
    if (action.stage > 0) this.#context.meter.add("activations", -tensorBytes(x));
    x.dispose();
    target?.dispose();
  }
}

/** Gradient of a loss: a sum, or a sum and its terms. */
const seedOf = ({ shape, size }: Tensor, seed: number): Tensor => tf.tensor([seed, 0].slice(0, size), shape);

const unreduced = ({ shape }: Tensor): string =>
  `the loss is a tensor [${shape.join(", ")}]: give its sum over samples, a scalar, or the sum and the number of terms, [2]`;

/** An action failed; `cause` is why. */
export class ActionError extends Error {
  readonly action: string;
  constructor(action: Action, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.action = showAction(action);
  }
}

/** Performs the actions in order. Returns what this rank's stages computed of each micro. Throws ActionError. */
export const execute = (actions: readonly Action[], context: StepContext): Promise<ReadonlyMap<number, MicroLoss>> =>
  new Step(context).run(actions);
