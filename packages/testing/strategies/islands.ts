// DiLoCo (Douillard et al.: DiLoCo: Distributed low-communication training of language models, 2023, algorithm 1): each island
// trains for itself for H steps; then all move from the anchor, where they last met, by SGD with Nesterov momentum on the mean
// of how far they went. Each rank holds 8 bytes more a parameter: anchor and momentum. Sends 2 Psi (N-1)/N elements each H steps.
import type { CostInput, Group, ParamStore, RankView, StoreLayer, Strategy } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";

export interface IslandsOptions {
  /** The axis whose members are islands; "island" by default. */
  readonly axis?: string;
  /** Steps from one meeting to the next: H. */
  readonly every: number;
  /** Outer learning rate; 0.7 by default, as in the paper. */
  readonly lr?: number;
  /** Outer Nesterov momentum; 0.9 by default, as in the paper. */
  readonly momentum?: number;
}

export const islands = ({ axis = "island", every, lr = 0.7, momentum = 0.9 }: IslandsOptions): Strategy => ({
  name: "islands",
  axis,
  divides: "batch",
  independent: { every },
  store: (inner, rank) => meeting(inner, rank, { group: rank.group(axis), every, lr, momentum }),
  cost: (input) => ({
    calls: heldBy(input).map((specs) => ({ op: "allReduce", sizes: specs.map((spec) => input.piece(spec)), every })),
    held({ params, piece }) {
      const trained = params.filter(({ frozen }) => !frozen);
      return { optimizer: 8 * trained.reduce((sum, spec) => sum + piece(spec), 0) };
    },
  }),
});

/** The trained parameters of each place on the axis that divides the layers. */
const heldBy = ({ model, stages, schedule }: CostInput) =>
  schedule.map((actions) => {
    const mine = new Set(actions.flatMap(({ stage }) => stages[stage]!.flatMap((i) => model.layers[i]!.params)));
    return [...mine].filter(({ frozen }) => !frozen);
  });

interface Outer extends Required<Omit<IslandsOptions, "axis">> {
  readonly group: Group;
}

function meeting(inner: ParamStore, { meter }: RankView, { group, every, lr, momentum }: Outer): StoreLayer {
  const names = inner.owned().flatMap(({ name, frozen }) => (frozen ? [] : [name]));
  const outer = new Map<string, [anchor: tf.Tensor, velocity: tf.Tensor]>();
  const begun = Promise.all(
    names.map(async (name) => {
      const anchor = await inner.piece(name);
      outer.set(name, [anchor, tf.zerosLike(anchor)]);
      meter.add("optimizer", 8 * anchor.size);
    }),
  );
  return {
    async endStep({ step, last, key }) {
      if ((step + 1) % every !== 0 && !last) return;
      await begun;
      const values = await Promise.all(names.map((name) => inner.piece(name)));
      const moves = values.map((value, i) => outer.get(names[i]!)![0].sub(value));
      tf.dispose(values);
      const sums = await group.allReduce(moves, key);
      for (const [i, name] of names.entries()) {
        const [anchor, velocity] = outer.get(name)!;
        const [next, speed] = tf.tidy(() => {
          const went = sums[i]!.div(group.size);
          const faster = velocity.mul(momentum).add(went);
          return [anchor.sub(went.add(faster.mul(momentum)).mul(lr)), faster];
        }) as [tf.Tensor, tf.Tensor];
        tf.dispose([anchor, velocity, sums[i]!]);
        outer.set(name, [next, speed]);
        await inner.update(name, next.clone());
      }
    },
    dispose() {
      for (const [anchor] of outer.values()) meter.add("optimizer", -8 * anchor.size);
      tf.dispose([...outer.values()].flat());
    },
  };
}
