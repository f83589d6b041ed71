// Properties of `planGathers` over random steps: what is acquired is there, what is needed is not freed, nothing stays.
import { type Acquire, fillUniform, type ParamSpec, randomKey } from "@orthant/core";
import { describe, expect, test } from "vitest";
import { type GatherOptions, planGathers } from "../src/gather-plan.ts";

/** Draws whole numbers below a bound, the same for a seed. */
function drawer(seed: number): (below: number) => number {
  const numbers = new Float32Array(4096);
  fillUniform(randomKey(seed, "gathers"), 0, numbers);
  let next = 0;
  return (below) => Math.floor(numbers[next++ % numbers.length]! * below);
}

const specOf = (i: number): ParamSpec => ({
  name: `p${i}`,
  shape: [1 + (i % 5)],
  init: { kind: "constant", value: 0 },
  uses: [],
  split: { dp: "flat" },
});

/** Forwards and backwards of some micros over some segments, in 1F1B-like disorder; parameters may be tied. */
function randomStep(seed: number): { acquires: Acquire[]; options: GatherOptions } {
  const draw = drawer(seed);
  const specs = Array.from({ length: 1 + draw(9) }, (_, i) => specOf(i));
  const segments = Array.from({ length: 1 + draw(6) }, () => {
    const params = Array.from({ length: 1 + draw(3) }, () => specs[draw(specs.length)]!);
    return { params: [...new Set(params)], reread: [...new Set(params)].filter(() => draw(3) > 0) };
  });
  const micros = 1 + draw(4);
  const live = 1 + draw(micros);
  const actions = Array.from({ length: micros + live }, (_, t) => [
    ...(t < micros ? [{ op: "F" as const, micro: t }] : []),
    ...(t >= live ? [{ op: "B" as const, micro: t - live }] : []),
  ]).flat();
  const acquires = actions.flatMap(({ op, micro }) => {
    const lists = op === "F" ? segments.map(({ params }) => params) : segments.map(({ reread }) => reread).toReversed();
    return lists.filter((list) => list.length).map((params): Acquire => ({ stage: 0, micro, op, params }));
  });
  const whole = new Set(specs.filter(() => draw(5) === 0)); // not sharded
  return {
    acquires,
    options: {
      keep: draw(2) ? "micro" : "segment",
      bucketBytes: [0, 20, 60, Number.POSITIVE_INFINITY][draw(4)]!,
      prefetch: draw(4),
      size: (spec) => (whole.has(spec) ? 0 : spec.shape[0]!),
    },
  };
}

describe.each(Array.from({ length: 200 }, (_, seed) => seed))("seed %i", (seed) => {
  const { acquires, options } = randomStep(seed);
  const { steps, asks, peak } = planGathers(acquires, options);
  const sharded = (params: readonly ParamSpec[]) => params.filter((spec) => options.size(spec) > 0);

  test("every acquire finds its parameters, each gather is of what is not there, and nothing is left", () => {
    const held = new Map<string, number>();
    let most = 0;
    for (const [i, { start, free }] of steps.entries()) {
      for (const spec of start.flat()) {
        expect(held.has(spec.name)).toBe(false);
        held.set(spec.name, options.size(spec));
      }
      most = Math.max(
        most,
        [...held.values()].reduce((a, b) => a + b, 0),
      );
      for (const { name } of sharded(acquires[i]!.params)) expect(held.has(name)).toBe(true);
      for (const name of free) expect(held.delete(name)).toBe(true);
    }
    expect([held.size, steps.length]).toEqual([0, acquires.length]);
    expect(peak).toBe(most);
  });

  test("gathers run at most `prefetch` buckets ahead", () => {
    // Where all are sharded and nothing is joined a bucket is an acquire: a gather may serve only the next `prefetch` of them.
    const size = ({ shape }: ParamSpec) => shape[0]!;
    const plain = { ...options, size, bucketBytes: 0, keep: "segment" as const };
    for (const [i, { start }] of planGathers(acquires, plain).steps.entries())
      for (const spec of start.flat()) {
        const use = acquires.findIndex(({ params }, at) => at >= i && params.includes(spec));
        expect(use - i).toBeLessThanOrEqual(options.prefetch);
      }
  });

  test("under micro, what a forward gathered stays for its backward", () => {
    if (options.keep !== "micro") return;
    for (const [i, { op, micro, params }] of acquires.entries()) {
      if (op !== "F") continue;
      const last = acquires.findLastIndex((other) => other.micro === micro);
      const freed = steps.slice(i, last).flatMap(({ free }) => free);
      for (const { name } of sharded(params)) expect(freed).not.toContain(name);
    }
  });

  test("the store inside is asked for exactly what is gathered and what is not sharded", () => {
    const gathered = steps.flatMap(({ start }) => start.flat());
    const others = acquires.flatMap(({ params }) => params.filter((spec) => options.size(spec) === 0));
    const names = (list: readonly ParamSpec[]) => list.map(({ name }) => name).sort();
    expect(names(asks.flatMap(({ params }) => params))).toEqual(names([...gathered, ...others]));
  });
});
