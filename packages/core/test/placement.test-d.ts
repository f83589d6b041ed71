// What the compiler refuses: `tsc` checks this file, nothing runs it. A layer that forgets a collective does not compile.
import type { Tensor } from "@tensorflow/tfjs";
import { type Held, type Placement, segment, type Tape } from "../src/index.ts";

const norm = segment<"I", "I">({ name: "norm", params: [], run: (_, x) => x! });
const heads = segment<"R", "P">({ name: "heads", params: [], run: (_, x) => x! });
const columns = segment<"R", "V">({ name: "columns", params: [], run: (_, x) => x! });
const add = segment<"I", "I">({ name: "add", params: [], run: (_, x) => x! });

export async function compiles(tape: Tape, x: Held<"I">): Promise<Held<"I">> {
  const entered = await tape.enter("tp", await tape.local(norm, "norm", x));
  const left = await tape.leave("tp", await tape.local(heads, "heads", entered));
  const shards: Held<"V"> = await tape.local(columns, "columns", await tape.move("tp", "I->R", x));
  const whole: Held<"R"> = await tape.move("tp", "V->R", shards, 1);
  await tape.move("tp", "P->V", await tape.local(heads, "heads", whole), 1);
  return tape.local(add, "add", x, left);
}

export async function forgottenEnter(tape: Tape, x: Held<"I">): Promise<void> {
  // @ts-expect-error: heads reads a replicated tensor, x is invariant
  await tape.local(heads, "heads", x);
}

export async function forgottenLeave(tape: Tape, x: Held<"R">, stream: Held<"I">): Promise<void> {
  const partial = await tape.local(heads, "heads", x);
  // @ts-expect-error: add reads invariant tensors, partial is a rank's part of a sum
  await tape.local(add, "add", stream, partial);
}

// @ts-expect-error: a layer's output is invariant; this is a rank's part of a sum
export const partialOutput = (tape: Tape, x: Held<"R">): Promise<Held<"I">> => tape.local(heads, "heads", x);

export async function wrongMoves(tape: Tape, x: Held<"I">, shard: Held<"V">): Promise<void> {
  // @ts-expect-error: an invariant tensor has nothing to sum
  await tape.leave("tp", x);
  // @ts-expect-error: a shard is not invariant
  await tape.enter("tp", shard);
  // @ts-expect-error: "P->V" starts from a partial tensor
  await tape.move("tp", "P->V", x);
  // @ts-expect-error: there is no such transition
  await tape.move("tp", "I->P", x);
  // @ts-expect-error: "V->R" gives a replicated tensor
  const _invariant: Held<"I"> = await tape.move("tp", "V->R", shard);
}

export function plainTensors(tape: Tape, x: Tensor): void {
  // @ts-expect-error: nobody said how a plain tensor is held
  const _held: Held<"I"> = x;
  // @ts-expect-error: nor here
  void tape.enter("tp", x);
}

// @ts-expect-error: there are four placements
export const fifth: Placement = "S";
