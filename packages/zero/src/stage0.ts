// ZeRO stage 0: plain data parallelism. Every rank holds everything; gradients are all-reduced once a step.
import { chunk, type Group, type ParamStore } from "@orthant/core";

/** Wraps a store that holds whole parameters. */
export const allReduced = (inner: ParamStore, group: Group): ParamStore => ({
  meter: inner.meter,
  acquire: (names, at) => inner.acquire(names, at),
  release: (names) => inner.release(names),
  addGrads: (names, grads) => inner.addGrads(names, grads),
  takeGrads: (names) => inner.takeGrads(names),
  update: (name, value) => inner.update(name, value),
  dispose: () => inner.dispose(),
  async reduceGrads(names, at) {
    inner.addGrads(names, await group.allReduceAll(inner.takeGrads(names), at));
  },
  // Each rank counts the chunk that ZeRO-3 would give it, so that the norm has the same bits in every stage.
  owned: () => inner.owned().map((o) => ({ ...o, counts: chunk(o.value.size, group.size, group.rank) })),
});
