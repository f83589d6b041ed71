// Hybrid sharding: parameters, gradients and optimizer state in flat shards along one axis, copies of each shard along another
// (Zhao et al.: PyTorch FSDP, VLDB 2023, section 3.2.2). Two strategies, one an axis.
import { type CostInput, elements, type ParamSpec, type PlannedCall, type Strategy } from "@orthant/core";
import type { Tensor } from "@tensorflow/tfjs";

/** Lists the strategies of both axes, whose members all train on different samples. */
export const hybrid = ({ shard = "shard", replica = "replica" } = {}): Strategy[] => [
  sharded(shard),
  replicated(replica),
];

const sharded = (axis: string): Strategy => ({
  name: "sharded",
  axis,
  divides: "batch",
  split: (param) => ({ ...param, split: { ...param.split, [axis]: "flat" } }),
  store: (inner, { meter, group, valueShape }) => {
    const shapes = new Map(inner.owned().map((spec) => [spec.name, valueShape(spec)]));
    const [members, wholes, users] = [group(axis), new Map<string, Tensor>(), new Map<string, number>()];
    let calls = 0; // members make the same ones in the same order
    const use = (name: string, more: 1 | -1): number => {
      const now = (users.get(name) ?? 0) + more;
      users.set(name, now);
      if (members.size > 1 && now === (more + 1) / 2) meter.add("params", more * 4 * elements(shapes.get(name)!));
      return now;
    };
    return {
      async acquire(names, at) {
        const missing = names.filter((name) => use(name, 1) === 1);
        const chunks = missing.length ? (await inner.acquire(missing, at)).map((t) => t.clone()) : [];
        const all = await members.allGather(
          chunks,
          missing.map((name) => shapes.get(name)!),
          `${at.key} #${calls++}`,
        );
        for (const [i, name] of missing.entries()) wholes.set(name, all[i]!);
        return names.map((name) => wholes.get(name)!);
      },
      release(names) {
        const freed = names.filter((name) => use(name, -1) === 0);
        for (const name of freed) wholes.get(name)!.dispose();
        inner.release(freed);
      },
      reduce: (names, grads, at) => members.reduceScatter(grads, `${at.key} ${names[0]}`),
    };
  },
  cost(input) {
    const { model, stages, schedule, acquires } = input;
    const sizesOf = (params: readonly ParamSpec[]) =>
      [...new Set(params)].map((spec) => elements(input.valueShape(spec)));
    // Another strategy may keep whole stages whole for a step.
    const unshards = schedule.flat().some(({ op }) => op === "UNSHARD");
    const whole = stages.map((layers) => layers.flatMap((i) => model.layers[i]!.params));
    const gathers = unshards ? whole : acquires.flat().map(({ params }) => params);
    const most = (lists: readonly (readonly ParamSpec[])[]) =>
      Math.max(0, ...lists.map((list) => sizesOf(list).reduce((sum, size) => sum + size, 0)));
    return {
      calls: [
        ...reductions(input, "reduceScatter"),
        ...gathers.map((list) => ({ op: "allGather", sizes: sizesOf(list) }) as const),
      ],
      held({ params, acquires: mine }) {
        if ((model.mesh[axis] ?? 1) === 1) return {};
        return { params: 4 * most(unshards ? [params] : mine.map((acquire) => acquire.params)) };
      },
    };
  },
});

const replicated = (axis: string): Strategy => ({
  name: "replicated",
  axis,
  divides: "batch",
  store: (_, { group }) => ({ reduce: (names, grads, at) => group(axis).allReduce(grads, `${at.key} ${names[0]}`) }),
  cost: (input) => ({ calls: reductions(input, "allReduce") }),
});

const reductions = ({ reductions: lists, gradShape }: CostInput, op: "reduceScatter" | "allReduce"): PlannedCall[] =>
  lists.map((params) => ({ op, sizes: params.map((spec) => elements(gradShape(spec))) }));
