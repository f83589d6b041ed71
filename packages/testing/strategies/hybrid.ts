// Hybrid sharding: flat shards of parameters, gradients and optimizer state along one axis, copies of each shard along another
// (Zhao et al.: PyTorch FSDP, VLDB 2023, section 3.2.2).
import { axisSize, type CostInput, elements, type ParamSpec, type PlannedCall, type Strategy } from "@orthant/core";
import type { Tensor } from "@tensorflow/tfjs";

/** Lists the strategies of both axes. */
export const hybrid = ({ shard = "shard", replica = "replica" } = {}): Strategy[] => [
  sharded(shard),
  replicated(replica),
];

const sharded = (axis: string): Strategy => ({
  name: "sharded",
  axis,
  divides: "batch",
  split: (param) => ({ ...param, split: { ...param.split, [axis]: "flat" } }),
  store: gathering(axis),
  cost: price(axis),
});

const gathering =
  (axis: string): NonNullable<Strategy["store"]> =>
  (inner, { meter, valueShape, ...rank }) => {
    const group = rank.group(axis);
    const shapes = new Map(inner.owned().map((spec) => [spec.name, valueShape(spec)]));
    const shapeOf = (name: string) => shapes.get(name)!;
    const [wholes, users] = [new Map<string, Tensor>(), new Map<string, number>()];
    let calls = 0; // members make the same ones in the same order
    const use = (name: string, more: 1 | -1): number => {
      const now = (users.get(name) ?? 0) + more;
      users.set(name, now);
      if (group.size > 1 && now === (more + 1) / 2) meter.add("params", more * 4 * elements(shapeOf(name)));
      return now;
    };
    return {
      async acquire(names, at) {
        const missing = names.filter((name) => use(name, 1) === 1);
        const chunks = missing.length ? (await inner.acquire(missing, at)).map((t) => t.clone()) : [];
        const all = await group.allGather(chunks, missing.map(shapeOf), `${at.key} #${calls++}`);
        for (const [i, name] of missing.entries()) wholes.set(name, all[i]!);
        return names.map((name) => wholes.get(name)!);
      },
      release(names) {
        const freed = names.filter((name) => use(name, -1) === 0);
        for (const name of freed) wholes.get(name)!.dispose();
        inner.release(freed);
      },
      reduce: (names, grads, at) => group.reduceScatter(grads, `${at.key} ${names[0]}`),
    };
  };

const price =
  (axis: string): NonNullable<Strategy["cost"]> =>
  (input) => {
    const { model, stages, schedule, acquires, valueShape } = input;
    const sizesOf = (params: readonly ParamSpec[]) => [...new Set(params)].map((spec) => elements(valueShape(spec)));
    const most = (lists: readonly (readonly ParamSpec[])[]) =>
      Math.max(0, ...lists.map((list) => sizesOf(list).reduce((sum, size) => sum + size, 0)));
    const bytes = axisSize(model.mesh, axis) === 1 ? 0 : 4; // alone, the chunk is the whole
    const unshards = schedule.flat().some(({ op }) => op === "UNSHARD"); // another strategy keeps stages whole
    const whole = stages.map((layers) => layers.flatMap((i) => model.layers[i]!.params));
    const gathers = unshards ? whole : acquires.flat().map(({ params }) => params);
    const calls = gathers.map((list): PlannedCall => ({ op: "allGather", sizes: sizesOf(list) }));
    return {
      calls: [...reductions(input, "reduceScatter"), ...calls],
      held: ({ params, acquires: mine }) => ({ params: bytes * most(unshards ? [params] : mine.map((a) => a.params)) }),
    };
  };

const replicated = (axis: string): Strategy => ({
  name: "replicated",
  axis,
  divides: "batch",
  store: (_, { group }) => ({ reduce: (names, grads, at) => group(axis).allReduce(grads, `${at.key} ${names[0]}`) }),
  cost: (input) => ({ calls: reductions(input, "allReduce") }),
});

const reductions = ({ reductions: lists, gradShape }: CostInput, op: "reduceScatter" | "allReduce"): PlannedCall[] =>
  lists.map((params) => ({ op, sizes: params.map((spec) => elements(gradShape(spec))) }));
