// ZeRO stage 0: plain data parallelism. Every rank holds everything; gradients are all-reduced once a step.
import { chunk, type Group, type ParamStore, Reductions } from "@orthant/core";

/** Wraps a store that holds whole parameters. */
export function allReduced(inner: ParamStore, group: Group): ParamStore {
  const reductions = new Reductions();
  const reduce = async (names: readonly string[], at: string) => {
    if (!names.length) return;
    inner.addGrads(names, await group.allReduce(inner.takeGrads(names), `${at} ${names[0]}`));
  };
  return {
    meter: inner.meter,
    acquire: (names, at) => inner.acquire(names, at),
    release: (names) => inner.release(names),
    addGrads: (names, grads) => inner.addGrads(names, grads),
    takeGrads: (names) => inner.takeGrads(names),
    update: (name, value) => inner.update(name, value),
    dispose: () => inner.dispose(),
    settleGrads: (names, at) => reductions.start(names, reduce(names, at)),
    reduceGrads: async (names, at) => reduce(await reductions.finish(names), at),
    // Each rank counts the chunk that ZeRO-3 would give it, so that the norm has the same bits in every stage.
    owned: () => inner.owned().map((o) => ({ ...o, counts: chunk(o.value.size, group.size, group.rank) })),
  };
}
