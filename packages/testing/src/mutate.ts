// Mutations of a correct run, to show that the comparison with one device notices each: one collective whose members
// receive nothing, or one `enter` or `leave` that a cast took out of the model.
import type { AnyLayer, AnyModel, Endpoint, Frame, Plan, Tape } from "@orthant/core";
import { ranksAlong } from "@orthant/core";
import { axisOfKey } from "@orthant/core/transport-kit";

/** Record of one call of one group: the key it has on the wire, and the group's first rank. */
export interface Call {
  readonly key: string;
  readonly group: number;
}

export const showCall = ({ key, group }: Call): string => `${key}, group of rank ${group}`;

/** Finds the first rank of the group that `rank` speaks in under `key`; a key opens with its axis. */
function groupOf({ mesh }: Plan, rank: number, key: string): number {
  const axis = axisOfKey(key);
  return axis in mesh ? ranksAlong(mesh, rank, axis)[0]! : 0;
}

/** Notes every call that is made, once. Hand it to `memory({ wrap })`. */
export function recorder(plan: Plan): { wrap: (inner: Endpoint) => Endpoint; calls: () => Call[] } {
  const seen = new Map<string, Call>();
  const wrap = (inner: Endpoint): Endpoint => ({
    ...inner,
    send(to, key, frame) {
      const call = { key, group: groupOf(plan, inner.rank, key) };
      if (to.length) seen.set(showCall(call), call);
      return inner.send(to, key, frame);
    },
  });
  return { wrap, calls: () => [...seen.values()] };
}

/** Wraps endpoints so that each member of `call` receives zeros instead of what the others sent. Hand it to `memory({ wrap })`. */
export const without =
  (plan: Plan, call: Call) =>
  (inner: Endpoint): Endpoint => ({
    ...inner,
    async recv(from, key) {
      const frame = await inner.recv(from, key);
      return key === call.key && groupOf(plan, inner.rank, key) === call.group ? silent(frame) : frame;
    },
  });

const silent = (frame: Frame): Frame => ({ ...frame, data: new Uint8Array(frame.data.length) });

/** Place of one `enter` or `leave` of a model: of layer `layer`, the `nth` of its kind, from 0. */
export interface Place {
  readonly kind: "enter" | "leave";
  readonly layer: number;
  readonly nth: number;
}

export const showPlace = ({ kind, layer, nth }: Place): string => `${kind} ${nth} of layer ${layer}`;

/** Wraps a tape: calls `visit` before each enter and leave, and passes by where it returns true. */
const bypassing = (tape: Tape, visit: (kind: Place["kind"]) => boolean): Tape => ({
  local: (segment, at, ...xs) => tape.local(segment, at, ...xs),
  move: (axis, crossing, x) => tape.move(axis, crossing, x),
  enter: async (axis, x) => (visit("enter") ? (x as never) : tape.enter(axis, x)),
  leave: async (axis, x) => (visit("leave") ? (x as never) : tape.leave(axis, x)),
  at: (axis) => tape.at(axis),
  training: tape.training,
  batch: tape.batch,
  random: (name) => tape.random(name),
  addLoss: (name, sum) => tape.addLoss(name, sum),
});

function rewired(layer: AnyLayer, at: number, passBy: (crossing: Place) => boolean): AnyLayer {
  const forward: AnyLayer["forward"] = (tape, x) => {
    const count = { enter: 0, leave: 0 };
    return layer.forward(
      bypassing(tape, (kind) => passBy({ kind, layer: at, nth: count[kind]++ })),
      x,
    );
  };
  return { ...layer, forward };
}

/** Copies the model with one crossing forced out, as a cast would. */
export const withoutCrossing = (model: AnyModel, out: Place): AnyModel =>
  rewire(model, (crossing) => showPlace(crossing) === showPlace(out));

/** Copies the model, unchanged but for `passBy`, which is told every crossing and takes out those it returns true for. */
export const rewire = (model: AnyModel, passBy: (crossing: Place) => boolean): AnyModel => ({
  ...model,
  layers: model.layers.map((layer, at) => rewired(layer, at, passBy)),
});
