// Hybrid sharding: parameters, gradients and optimizer state in flat shards along one axis, copies of each shard along another
// (Zhao et al.: PyTorch FSDP, VLDB 2023, section 3.2.2). Two strategies, one an axis. Sends along `shard` 3 Psi (N-1)/N elements
// a step, along `replica` 2 (M-1)/M of a shard.
import { axisSize, elements, type Strategy } from "@orthant/core";
import type { Fixture } from "@orthant/testing";
import type { Tensor } from "@tensorflow/tfjs";
import { gathered, gathers, reductions } from "./hybrid-cost.ts";

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
    const specs = new Map(inner.owned().map((spec) => [spec.name, spec]));
    const [members, wholes, users] = [group(axis), new Map<string, Tensor>(), new Map<string, number>()];
    const shapeOf = (name: string) => valueShape(specs.get(name)!);
    let calls = 0; // members make the same ones in the same order
    const use = (name: string, more: 1 | -1): number => {
      const now = (users.get(name) ?? 0) + more;
      users.set(name, now);
      if (members.size > 1 && now === (more + 1) / 2) meter.add("params", more * 4 * elements(shapeOf(name)));
      return now;
    };
    return {
      async acquire(names, at) {
        const missing = names.filter((name) => use(name, 1) === 1);
        const chunks = missing.length ? (await inner.acquire(missing, at)).map((t) => t.clone()) : [];
        const all = await members.allGather(chunks, missing.map(shapeOf), `${at.key} #${calls++}`);
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
  cost: (input) => ({
    calls: [...reductions(input, "reduceScatter"), ...gathers(input)],
    held: (rank) => ({ params: axisSize(input.model.mesh, axis) > 1 ? 4 * gathered(input, rank) : 0 }),
  }),
});

const replicated = (axis: string): Strategy => ({
  name: "replicated",
  axis,
  divides: "batch",
  store: (_, { group }) => ({
    reduce: (names, grads, at) => group(axis).allReduce(grads, `${at.key} ${names[0]}`),
  }),
  cost: (input) => ({ calls: reductions(input, "allReduce") }),
});

/** As many shards as copies. */
export const hybridFixture: Fixture = {
  name: "hybrid",
  make: ({ size, batch }) => ({
    mesh: { [`${batch}-shard`]: size, [`${batch}-replica`]: size },
    strategies: hybrid({ shard: `${batch}-shard`, replica: `${batch}-replica` }),
  }),
};
