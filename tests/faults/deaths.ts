// How a rank of a case kills itself in the middle of an action: its model, optimizer, store or transport is wrapped, and
// at that call the process is gone as if the kernel had ended it. Where the action sends, the frame is on its way by then.
import { writeSync } from "node:fs";
import type { AnyLayer, Endpoint, ParamStore, StoreLayer, Strategy, TrainOptions } from "@orthant/core";
import { atOfKey, messageKey, world } from "@orthant/core/transport-kit";
import type { Moment } from "./job.ts";

/** The step, counted from 0, in which it happens. */
const fatal = 2;

export function die(): void {
  writeSync(1, `dies at ${Date.now()}\n`);
  process.kill(process.pid, "SIGKILL");
}

/** The step that this process is in, by the last key that its transport heard of. */
export class Clock {
  #step = -1;

  /** Hears what names a message or a call of the store: `step 3 micro 1`. */
  hear(at: string): void {
    const step = /^step (\d+)/.exec(at)?.[1];
    if (step !== undefined) this.#step = Number(step);
  }

  get struck(): boolean {
    return this.#step === fatal;
  }
}

/** What the key of a message of an action opens with. */
const keys = {
  F: messageKey("pp", "send", `step ${fatal} F`),
  B: messageKey("pp", "send", `step ${fatal} B`),
  control: messageKey(world, "control", `step ${fatal}`),
};

/** The messages of an action. */
const calls: Partial<Record<Moment, readonly [call: "send" | "recv", key: string]>> = {
  SEND_F: ["send", keys.F],
  RECV_F: ["recv", keys.F],
  SEND_B: ["send", keys.B],
  RECV_B: ["recv", keys.B],
  "world.control": ["send", keys.control],
};

/** Dies as soon as the call is under way. */
export function fatalTransport(inner: Endpoint, moment: Moment, clock: Clock): Endpoint {
  const [call, opening = ""] = calls[moment] ?? [];
  const under = <T>(name: "send" | "recv", key: string, work: Promise<T>): Promise<T> => {
    clock.hear(atOfKey(key));
    if (call === name && key.startsWith(opening)) die();
    return work;
  };
  return {
    ...inner,
    send: (to, key, frame) => under("send", key, inner.send(to, key, frame)),
    recv: (from, key) => under("recv", key, inner.recv(from, key)),
  };
}

/** Wraps a strategy's layer of the store. UNSHARD and RESHARD concern all that a rank owns, segments less. */
function fatalStore(layer: StoreLayer, inner: ParamStore, moment: Moment, clock: Clock): StoreLayer {
  const all = inner.owned().length;
  const dieAt = (here: Moment): void => {
    if (moment === here && clock.struck) die();
  };
  return {
    acquire(names, at) {
      const acquired = layer.acquire!(names, at);
      clock.hear(at.key);
      if (names.length === all) dieAt("UNSHARD");
      if (at.key.endsWith(" B")) dieAt("B");
      return acquired;
    },
    release(names) {
      if (names.length === all) dieAt("RESHARD");
      layer.release!(names);
    },
    reduce(names, grads, at) {
      const reduced = layer.reduce!(names, grads, at);
      dieAt("REDUCE_GRAD");
      return reduced;
    },
    dispose: () => layer.dispose?.(),
  };
}

const fatalLayer = (layer: AnyLayer, clock: Clock): AnyLayer => ({
  ...layer,
  async forward(tape, x) {
    const y = await layer.forward(tape, x);
    if (clock.struck) die();
    return y;
  },
});

const fatalStrategy = (strategy: Strategy, moment: Moment, clock: Clock): Strategy =>
  strategy.store
    ? { ...strategy, store: (inner, rank) => fatalStore(strategy.store!(inner, rank), inner, moment, clock) }
    : strategy;

/** The same training, but for the rank that dies at `moment`. */
export function fatalOptions(options: TrainOptions, moment: Moment, clock: Clock): TrainOptions {
  const { model, optimizer, strategies = [] } = options;
  const layers = moment === "F" ? model.layers.map((layer) => fatalLayer(layer, clock)) : model.layers;
  const update: typeof optimizer.update = (value, grad, slots, context) => {
    if (moment === "update" && context.step === fatal) die();
    return optimizer.update(value, grad, slots, context);
  };
  return {
    ...options,
    model: { ...model, layers },
    strategies: strategies.map((strategy) => fatalStrategy(strategy, moment, clock)),
    optimizer: { ...optimizer, update },
  };
}
