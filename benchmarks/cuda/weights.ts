// Initial values that gpt.py can make too, in no time: every random parameter starts somewhere in one pool of normal numbers.
import type { LayerParam, Model } from "@orthant/core";

const POOL = 1 << 20;

/** A hash of 32 bits (Wang 2007): numpy does the same to a whole vector. */
function hash(x: number): number {
  let h = Math.imul((x ^ 61 ^ (x >>> 16)) >>> 0, 9);
  h ^= h >>> 4;
  h = Math.imul(h, 0x27d4eb2d);
  return (h ^ (h >>> 15)) >>> 0;
}

const uniform = (i: number): number => (hash(i) + 0.5) / 2 ** 32;

const pool = (): Float32Array =>
  Float32Array.from(
    { length: POOL },
    (_, i) => Math.sqrt(-2 * Math.log(uniform(2 * i))) * Math.cos(2 * Math.PI * uniform(2 * i + 1)),
  );

/** The same model with initial values from the pool: the n-th random parameter starts at `n 7919 mod POOL`. */
export function pooled<M extends Model>(model: M): M {
  const numbers = pool();
  let count = 0;
  const param = (each: LayerParam): LayerParam => {
    if (each.init.kind !== "normal") return each;
    const [start, { std }] = [(count++ * 7919) % POOL, each.init];
    const size = each.shape.reduce((n, d) => n * d, 1);
    const values = () => {
      const all = new Float32Array(size);
      for (let i = 0; i < size; i++) all[i] = numbers[(start + i) % POOL]! * std;
      return all;
    };
    return { ...each, init: { kind: "values", values, sum: `pool ${start}` } };
  };
  return { ...model, layers: model.layers.map((layer) => ({ ...layer, params: layer.params.map(param) })) };
}
