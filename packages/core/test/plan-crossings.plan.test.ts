// Placements are checked by plan too, for who writes JavaScript or casts: a forgotten crossing is refused where the axis has
// members, and costs nothing where it has one.
import { expect, test } from "vitest";
import {
  cutAlong,
  type Data,
  enter,
  gather,
  type Mesh,
  plan,
  type Segment,
  type Strategy,
  scatter,
  segment,
  sgd,
  shift,
  type Tape,
} from "../src/index.ts";
import type { AnyModel } from "../src/model/model.ts";

const plain = segment({ name: "plain", params: ["w"], run: (_, x) => x! });
const heads = segment({ name: "heads", from: { tp: "R" }, to: { tp: "P" }, params: ["w"], run: (_, x) => x! });
const total = segment({
  name: "total",
  params: [],
  run: (_, x) => x!,
  shape: () => ({ shape: [], flops: 0, kept: 0 }),
});

/** The tape as JavaScript sees it. */
interface Untyped {
  local(segment: Segment<never, never>, at: string, ...xs: unknown[]): Promise<never>;
  move(axis: string, crossing: unknown, x: unknown): Promise<never>;
  enter(axis: string, x: unknown): Promise<never>;
  leave(axis: string, x: unknown): Promise<never>;
}

const data: Data = {
  input: { shape: [6, 4], dtype: "float32" },
  target: { shape: [6, 4], dtype: "float32" },
  tokens: 6,
  sample: () => ({ input: new Float32Array(24), target: new Float32Array(24) }),
};

/** A model of one layer, by what its forward does. */
const model = (forward: (tape: Untyped, x: unknown) => Promise<unknown>): AnyModel => ({
  name: "untyped",
  layers: [
    {
      name: "a",
      params: [{ name: "w", shape: [4], init: { kind: "constant", value: 1 } }],
      forward: (tape, x) => forward(tape as unknown as Untyped, x) as Promise<never>,
    },
  ],
  loss: (tape: Tape, y) => tape.local(total, "", y),
});

const sharing = (axis: string): Strategy => ({ name: axis, axis });
const dividing = (axis: string): Strategy => ({ name: axis, axis, divides: { dim: 0 } });

const planned = (forward: (tape: Untyped, x: unknown) => Promise<unknown>, mesh: Mesh, strategies: Strategy[]) =>
  plan({ model: model(forward), data, batch: 2, mesh, strategies, optimizer: sgd({ lr: 1 }), steps: 1 });

const s = (one: Segment<never, never> | object) => one as Segment<never, never>;

test.each<[string, (tape: Untyped, x: unknown) => Promise<unknown>, string]>([
  [
    "a forgotten enter",
    (tape, x) => tape.local(s(heads), "a", x),
    "segment heads at a takes a tensor R along tp and is handed one I along every axis: cross over before it",
  ],
  [
    "a forgotten leave",
    async (tape, x) => tape.local(s(plain), "a", await tape.local(s(heads), "a", await tape.enter("tp", x))),
    "segment plain at a takes a tensor I along every axis and is handed one P along tp: cross over before it",
  ],
  [
    "a forgotten leave before the loss",
    async (tape, x) => tape.local(s(heads), "a", await tape.enter("tp", x)),
    "segment total takes a tensor I along every axis and is handed one P along tp: cross over before it",
  ],
  [
    "an enter twice",
    async (tape, x) => tape.enter("tp", await tape.enter("tp", x)),
    "enter along tp takes a tensor I along every axis and is handed one R along tp: cross over before it",
  ],
  [
    "a sum of what is no part of one",
    (tape, x) => tape.move("tp", scatter(1), x),
    "scatter 1 along tp takes a tensor P along tp and is handed one I along every axis: cross over before it",
  ],
])("%s is refused along an axis of two, and fine along one of one", async (_, forward, message) => {
  await expect(planned(forward, { tp: 2 }, [sharing("tp")])).rejects.toThrow(message);
  await planned(forward, { tp: 1 }, [sharing("tp")]);
  await planned(forward, {}, []);
});

test("a model that crosses over is planned, with what each crossing asks", async () => {
  const forward = async (tape: Untyped, x: unknown) =>
    tape.leave("tp", await tape.local(s(heads), "a", await tape.enter("tp", x)));
  const { model } = await planned(forward, { tp: 2 }, [sharing("tp")]);
  expect(model.layers[0]!.moves).toEqual([
    { axis: "tp", crossing: "enter", from: "I", to: "R", forward: [], backward: [] }, // nothing wants the samples' gradient
    { axis: "tp", crossing: "leave", from: "P", to: "I", forward: [{ op: "allReduce", sizes: [48] }], backward: [] },
  ]);
});

test("where a strategy divides a dim of every sample, a model that was not written for parts is refused", async () => {
  await expect(planned((tape, x) => tape.local(s(plain), "a", x), { cp: 2 }, [dividing("cp")])).rejects.toThrow(
    "segment plain at a takes a tensor I along every axis and is handed one V along cp: the members of cp see a part each, " +
      "and this segment was not written for one; use a model that was",
  );
});

test("a model that was is handed its part, and the other axes stay what they were", async () => {
  const seen: unknown[] = [];
  const spread = cutAlong(heads, "cp");
  const forward = async (tape: Untyped, x: unknown) => {
    const entered = await tape.move("tp", enter, x);
    const turned = await tape.move("cp", shift(1), entered);
    const y = await tape.leave("tp", await tape.local(s(spread), "a", turned));
    seen.push((x as { shape: unknown }).shape);
    return tape.move("cp", gather(1), y);
  };
  const decided = planned(forward, { cp: 3, tp: 2 }, [dividing("cp"), sharing("tp")]);
  // The loss of this model takes what is whole along cp; the crossing leaves it R, which is not I.
  await expect(decided).rejects.toThrow("segment total takes a tensor I along every axis and is handed one R along cp");
  expect(seen[0]).toEqual([2, 2, 4]);
});

test("a segment that reads what no layer declares is refused", async () => {
  await expect(planned((tape, x) => tape.local(s(plain), "b", x), {}, [])).rejects.toThrow(
    "a segment reads b.w, which no layer declares; declared: a.w",
  );
});
