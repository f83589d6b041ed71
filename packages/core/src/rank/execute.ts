// The interpreter: one handler per op and one loop. All cleverness lives in the schedule.

import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import type { Group } from "../group/group.ts";
import type { Meter } from "../meter.ts";
import type { Layer, Model } from "../model/model.ts";
import type { Held } from "../model/placement.ts";
import type { ParamStore } from "../params/store.ts";
import type { Action, Op } from "../schedule/schedule.ts";
import type { GradTape } from "./tape.ts";

/** One step of one rank, as its actions need it. */
export interface StepContext {
  /** Names the step in messages: `step 3`. */
  readonly at: string;
  readonly model: Model;
  readonly store: ParamStore;
  readonly meter: Meter;
  /** The pipeline axis, and the position on it that runs a stage. */
  readonly pipe: Group;
  ownerOf(stage: number): number;
  readonly stages: readonly { readonly layers: readonly Layer[]; readonly params: readonly string[] }[];
  newTape(action: Action): GradTape;
  /** One side of a microbatch, as a fresh tensor that the caller owns. */
  read(micro: number, side: "input" | "target"): Tensor;
  /** Gradient of the step's loss with respect to a micro's loss sum: 1 / tokens of the global batch. */
  readonly seed: number;
  /** Called before each action, and after it; times in milliseconds. */
  onBegin(action: Action): void;
  onAction(action: Action, from: number, to: number): void;
}

/** A micro between its forward and its backward. */
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

async function forward(
  context: StepContext,
  action: Action,
  { arrived, outgoing }: Mail,
): Promise<Live & { loss?: number }> {
  const { stage, micro = 0 } = action;
  const last = stage === context.stages.length - 1;
  const x = stage === 0 ? context.read(micro, "input") : take(arrived, `F${key(action)}`);
  if (stage > 0) context.meter.add("activations", 4 * x.size);
  const tape = context.newTape(action);
  let y = x as Held<"I">;
  for (const layer of context.stages[stage]!.layers) {
    y = await layer.forward(tape, y);
    tape.seal(y);
  }
  if (!last) {
    outgoing.set(`F${key(action)}`, y);
    return { tape, x, y, target: undefined };
  }
  const target = context.read(micro, "target");
  const sum = await context.model.loss(tape, y, target as Held<"I">);
  tape.seal(sum);
  return { tape, x, y: sum, target, loss: (await sum.data())[0]! };
}

async function backward(context: StepContext, action: Action, live: Live, { arrived, outgoing }: Mail): Promise<void> {
  const { tape, x, y, target } = live;
  const last = action.stage === context.stages.length - 1;
  const dy = last ? tf.scalar(context.seed) : take(arrived, `B${key(action)}`);
  const dx = await tape.backward(y, dy, x);
  if (action.stage > 0) context.meter.add("activations", -4 * x.size);
  x.dispose();
  target?.dispose();
  if (action.stage === 0) dx?.dispose();
  else if (dx) outgoing.set(`B${key(action)}`, dx);
  else
    throw new Error(`stage ${action.stage} gives its input no gradient, and stage ${action.stage - 1} waits for one`);
}

/** Performs the actions in order. Returns each micro's loss sum where this rank runs the last stage. */
export async function execute(actions: readonly Action[], context: StepContext): Promise<Map<number, number>> {
  const { store, pipe, at, ownerOf } = context;
  const mail: Mail = { arrived: new Map(), outgoing: new Map(), sending: [] };
  const live = new Map<string, Live>();
  const losses = new Map<number, number>();
  const names = ({ stage }: Action) => context.stages[stage]!.params;

  const send = (to: number, what: string, x: Tensor) => {
    const sent = pipe.send(ownerOf(to), x, `${at} ${what}`);
    sent.catch(() => {}); // reported when the step awaits it
    mail.sending.push(sent);
    return sent;
  };
  const recv = async (from: number, what: string, into: string) => {
    mail.arrived.set(into, await pipe.recv(ownerOf(from), `${at} ${what}`));
  };

  const perform: Record<Op, (a: Action) => unknown> = {
    RECV_F: (a) => recv(a.stage - 1, `F${a.stage - 1}.${a.micro}`, `F${key(a)}`),
    RECV_B: (a) => recv(a.stage + 1, `B${a.stage + 1}.${a.micro}`, `B${key(a)}`),
    SEND_F: (a) => void send(a.stage + 1, `F${key(a)}`, take(mail.outgoing, `F${key(a)}`)),
    SEND_B: (a) => {
      const dx = take(mail.outgoing, `B${key(a)}`);
      void send(a.stage - 1, `B${key(a)}`, dx)
        .finally(() => dx.dispose())
        .catch(() => {});
    },
    F: async (a) => {
      const { loss, ...rest } = await forward(context, a, mail);
      live.set(key(a), rest);
      if (loss !== undefined) losses.set(a.micro!, loss);
    },
    B: (a) => backward(context, a, take(live, key(a)), mail),
    UNSHARD: (a) => store.acquire(names(a), `${at} stage ${a.stage}`),
    RESHARD: (a) => store.release(names(a)),
    REDUCE_GRAD: (a) => store.reduceGrads(names(a), `${at} stage ${a.stage}`),
  };
  for (const action of actions) await timed(action, context, perform[action.op]);
  await Promise.all(mail.sending);
  return losses;
}

async function timed(action: Action, context: StepContext, perform: (a: Action) => unknown): Promise<void> {
  const from = performance.now();
  context.onBegin(action);
  await perform(action);
  context.onAction(action, from, performance.now());
}
