// Whether a loss is a sum over samples, as it must be to be the same on every mesh: that of a sample twice is twice that of it once. Tried
// on the first sample of a run; what cannot be tried so, such as a loss that joins members, is let pass.
import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import { directGroup } from "../../group/direct.ts";
import { Meter } from "../../meter.ts";
import type { AnyModel } from "../../model/model.ts";
import { momentOf } from "../../params/moment.ts";
import { memoryEndpoints } from "../../transports/memory.ts";
import { GradTape } from "./tape.ts";
import { forwardOnly } from "./vjp.ts";

/** A store of nothing: losses read no parameters that this could lend. */
const none = {
  acquire: async (names: readonly string[]) => {
    if (names.length) throw new Error("a loss with parameters is not tried");
    return [];
  },
  release: () => {},
} as unknown as ConstructorParameters<typeof GradTape>[0]["store"];

async function lossOf(model: AnyModel, y: Tensor, target: Tensor): Promise<ArrayLike<number>> {
  const [alone] = memoryEndpoints(1);
  const tape = new GradTape({
    vjp: forwardOnly,
    store: none,
    paramOf: (use) => use,
    group: (axis) => directGroup(axis, alone!, [0]),
    meter: new Meter(),
    moment: (what) => momentOf(0, what),
    uniform: (_, { shape }) => tf.ones(shape),
    training: true,
    batch: [],
  });
  try {
    return await (await model.loss(tape, y as never, target as never)).data();
  } finally {
    tape.drop();
    await alone!.close();
  }
}

/** Throws where the loss of a sample twice is that of it once: a mean, which would change with the mesh. */
export async function refuseMean(model: AnyModel, y: Tensor, target: Tensor): Promise<void> {
  const once = [y, target].map((x) => x.slice(0, 1));
  const twice = once.map((x) => tf.concat([x, x]));
  const losses: ArrayLike<number>[] = [];
  try {
    for (const [output, wanted] of [once, twice]) losses.push(await lossOf(model, output!, wanted!));
  } catch {
    return;
  } finally {
    tf.dispose([...once, ...twice]);
  }
  const [[one = 0], [two = 0]] = losses as [number[], number[]];
  const unreduced = losses.some(({ length }) => length !== losses[0]!.length || length > 2); // told for what it is
  if (unreduced || one === 0 || Math.abs(two - one) > 1e-4 * Math.abs(one)) return;
  throw new Error(
    `the loss is a mean over samples: of one it is ${one}, and of the same twice ${two}. Give the sum, which is divided by the ` +
      "data's tokens over the whole batch: a mean would change with the mesh. Where the number of terms follows from the samples, give " +
      "[sum, terms]",
  );
}
