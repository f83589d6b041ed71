// The local parameter store and the layers around it: who owns a tensor when, the bytes it reports, who answers first.
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Meter, type ParamSpec, type ParamStore, type StoreLayer } from "../src/index.ts";
import { momentOf } from "../src/params/moment.ts";
import { layered, localStore } from "../src/params/store.ts";

let before = 0;
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(before));

const now = momentOf(0);
const spec = (name: string, split = {}): ParamSpec => ({
  name,
  shape: [2, 3],
  uses: [{ name, layer: 0 }],
  init: { kind: "constant", value: 0 },
  split,
});
const dealt = (name: string) => ({ spec: spec(name), shape: [2, 3], values: Float32Array.of(1, 2, 3, 4, 5, 6) });
const nothing = { params: 0, grads: 0, optimizer: 0, activations: 0 };

test("lends values, and an update replaces one", async () => {
  const meter = new Meter();
  const store = localStore([dealt("a"), dealt("b")], meter);
  const [a] = await store.acquire(["a"], now);
  expect([...a!.dataSync()]).toEqual([1, 2, 3, 4, 5, 6]);
  store.release(["a"]);
  store.update("a", tf.zeros([2, 3]));
  expect(a!.isDisposed).toBe(true);
  const [next, b] = await store.acquire(["a", "b"], now);
  expect([...next!.dataSync(), ...b!.dataSync()]).toEqual([0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6]);
  expect(meter.now).toEqual({ ...nothing, params: 48 });
  store.dispose();
  expect([meter.now, meter.peak]).toEqual([nothing, { ...nothing, params: 48 }]);
});

test("optimizer state is handed over and kept again: it has one owner, and is counted where it is", async () => {
  const meter = new Meter();
  const store = localStore([dealt("a")], meter);
  expect(await store.slots("a")).toBe(undefined);
  await store.keepSlots("a", [tf.ones([2, 3]), tf.zeros([2, 3])]);
  expect(meter.now.optimizer).toBe(48);
  const mine = (await store.slots("a"))!;
  expect(mine.map((slot) => slot.dataSync()[0])).toEqual([1, 0]);
  expect([meter.now.optimizer, await store.slots("a")]).toEqual([0, undefined]);
  tf.dispose(mine);
  await store.keepSlots("a", [tf.ones([2, 3])]);
  store.dispose();
  expect([meter.now, meter.peak.optimizer]).toEqual([nothing, 48]);
});

test("keeps a flat chunk as a vector", async () => {
  const chunk = { spec: spec("a", { dp: "flat" }), shape: [2, 3], values: Float32Array.of(4, 5, 6) };
  const store = localStore([chunk], new Meter());
  expect(store.owned()).toEqual([chunk.spec]);
  const piece = await store.piece("a");
  expect(piece.shape).toEqual([3]);
  piece.dispose();
  store.dispose();
});

test("names what it holds when asked for something else", async () => {
  const store = localStore([dealt("a"), dealt("b")], new Meter());
  const none = "this rank holds no parameter c; it holds a, b";
  await expect(store.acquire(["c"], now)).rejects.toThrow(none);
  await expect(store.slots("c")).rejects.toThrow(none);
  const value = tf.scalar(0);
  await expect(store.update("c", value)).rejects.toThrow(none);
  value.dispose();
  store.dispose();
});

describe("a layer", () => {
  /** Notes every call by name, and hands it on. */
  function noting(name: string, log: string[], inner: ParamStore): ParamStore {
    const noted = <A extends unknown[], R>(what: string, call: (...args: A) => R) => {
      return (...args: A): R => {
        log.push(`${name} ${what}`);
        return call(...args);
      };
    };
    return {
      acquire: noted("acquire", inner.acquire.bind(inner)),
      release: noted("release", inner.release.bind(inner)),
      owned: noted("owned", inner.owned.bind(inner)),
      piece: noted("piece", inner.piece.bind(inner)),
      update: noted("update", inner.update.bind(inner)),
      slots: noted("slots", inner.slots.bind(inner)),
      keepSlots: noted("keepSlots", inner.keepSlots.bind(inner)),
    };
  }

  /** Calls everything there is, in the order of the interface. */
  async function callAll(store: ParamStore): Promise<void> {
    await store.acquire(["a"], now);
    store.release(["a"]);
    store.owned();
    (await store.piece("a")).dispose();
    await store.update("a", tf.ones([2, 3]));
    await store.keepSlots("a", (await store.slots("a")) ?? []);
  }

  const methods = ["acquire", "release", "owned", "piece", "update", "slots", "keepSlots"];

  test("that says nothing hands every call to the store inside", async () => {
    const local = localStore([dealt("a")], new Meter());
    const log: string[] = [];
    await callAll(layered(noting("inner", log, local), {}));
    expect(log).toEqual(methods.map((method) => `inner ${method}`));
    local.dispose();
  });

  test.each(methods)("that has only %s answers that one alone", async (method) => {
    const local = localStore([dealt("a")], new Meter());
    const log: string[] = [];
    const inner = noting("inner", log, local);
    const layer = { [method]: noting("layer", log, inner)[method as keyof ParamStore] } as StoreLayer;
    await callAll(layered(inner, layer));
    expect(log).toEqual(
      methods.flatMap((name) => (name === method ? [`layer ${name}`, `inner ${name}`] : [`inner ${name}`])),
    );
    local.dispose();
  });

  test("may be an instance: its methods keep their this", async () => {
    class Doubled implements StoreLayer {
      readonly #by = 2;
      readonly #inner: ParamStore;
      constructor(inner: ParamStore) {
        this.#inner = inner;
      }
      async acquire(names: readonly string[], at: typeof now) {
        return (await this.#inner.acquire(names, at)).map((value) => value.mul(this.#by));
      }
    }
    const local = localStore([dealt("a")], new Meter());
    const [a] = await layered(local, new Doubled(local)).acquire(["a"], now);
    expect([...a!.dataSync()]).toEqual([2, 4, 6, 8, 10, 12]);
    tf.dispose(a!);
    local.dispose();
  });
});
