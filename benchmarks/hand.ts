// A hand-written training loop of the same segments: no schedule, no store, no groups, no trace. What the trainer's
// own overhead is measured against. One device.
import { type AnyModel, type Optimizer, type ParamSpec, rebind, type Segment, type Tape } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";

type Back = (grads: Map<tf.Tensor, tf.Tensor>) => void;

function add(grads: Map<tf.Tensor, tf.Tensor>, x: tf.Tensor, dx: tf.Tensor): void {
  const seen = grads.get(x);
  grads.set(x, seen ? seen.add(dx) : dx);
  if (seen) tf.dispose([seen, dx]);
}

export interface HandLoop {
  /** Runs forward, backward and update. `scale` is 1 / tokens. Resolves to the loss sum. */
  step(input: tf.Tensor, target: tf.Tensor, scale: number, update: boolean): Promise<number>;
  dispose(): void;
}

/** Makes a loop over `model` from these whole parameters. */
export function handLoop(model: AnyModel, first: ReadonlyMap<string, Float32Array>, optimizer: Optimizer): HandLoop {
  const specs = model.layers.flatMap((layer, i) =>
    layer.params.map(({ shape, init, ...p }): ParamSpec => {
      const name = `${layer.name}.${p.name}`;
      return { name, shape, init, uses: [{ name, layer: i }], split: {} };
    }),
  );
  const params = new Map(specs.map(({ name, shape }) => [name, tf.tensor(first.get(name)!, [...shape])]));
  const slots = new Map<string, tf.Tensor[]>();
  let count = 0;

  const local = (backs: Back[], outputs: tf.Tensor[]) => {
    return async (segment: Segment<never, never>, at: string, ...xs: tf.Tensor[]) => {
      const names = segment.params.map((name) => `${at}.${name}`);
      const inputs = [...names.map((name) => params.get(name)!), ...xs];
      const run = (...all: tf.Tensor[]) => segment.run(all.slice(0, names.length), ...all.slice(names.length));
      const { y, pullback } = rebind(run, inputs);
      outputs.push(y);
      backs.push((grads) => {
        const dy = grads.get(y)!;
        pullback(dy, inputs).forEach((dx, i) => {
          if (dx) add(grads, inputs[i]!, dx);
        });
        grads.delete(y);
        dy.dispose();
      });
      return y;
    };
  };

  /** One device: a crossing hands its tensor on. */
  const record = (backs: Back[], outputs: tf.Tensor[]): Tape => {
    const same = async (_: string, x: tf.Tensor) => x;
    return { local: local(backs, outputs), enter: same, leave: same } as unknown as Tape;
  };

  const updateAll = (grads: Map<tf.Tensor, tf.Tensor>) => {
    for (const spec of specs) {
      const value = params.get(spec.name)!;
      const old = slots.get(spec.name) ?? Array.from({ length: optimizer.slots }, () => tf.zerosLike(value));
      const context = { spec, step: count, scale: 1, lr: optimizer.lr(count) };
      const [next, ...rest] = tf.tidy(() => optimizer.update(value, grads.get(value)!, old, context));
      tf.dispose([value, grads.get(value)!, ...old]);
      params.set(spec.name, next!);
      slots.set(spec.name, rest);
    }
    count++;
  };

  return {
    async step(input, target, scale, update) {
      const backs: Back[] = [];
      const outputs: tf.Tensor[] = [];
      const tape = record(backs, outputs);
      let y = input;
      for (const layer of model.layers) y = await layer.forward(tape, y as never);
      const loss = await model.loss(tape, y as never, target as never);
      const sum = (await loss.data())[0]!;
      const grads = new Map<tf.Tensor, tf.Tensor>([[loss, tf.scalar(scale)]]);
      for (const back of backs.reverse()) back(grads);
      if (update) updateAll(grads);
      else tf.dispose([...grads.values()]);
      tf.dispose(outputs);
      return sum;
    },
    dispose: () => tf.dispose([...params.values(), ...[...slots.values()].flat()]),
  };
}
