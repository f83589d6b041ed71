// What the compiler refuses: `tsc` checks this file, nothing runs it. A layer that forgets a collective does not compile.
import type { Tensor } from "@tensorflow/tfjs";
import {
  allToAll,
  type Crossing,
  cutAlong,
  type Everywhere,
  enter,
  gather,
  type Held,
  leave,
  onAxis,
  type Placement,
  type Placements,
  scatter,
  segment,
  shift,
  type Tape,
} from "../src/index.ts";

/** Takes a tensor that is held so, and no other. */
declare function wants<P extends Placements>(x: Held<P>): void;

const norm = segment({ name: "norm", params: [], run: (_, x) => x! });
const add = segment({ name: "add", params: [], run: (_, x) => x! });
const heads = segment({ name: "heads", from: { tp: "R" }, to: { tp: "P" }, params: [], run: (_, x) => x! });
const columns = segment({ name: "columns", from: { tp: "R" }, to: { tp: "V" }, params: [], run: (_, x) => x! });
const spread = cutAlong(heads, "cp");

export async function compiles(tape: Tape, x: Held): Promise<Held> {
  const entered = await tape.enter("tp", await tape.local(norm, "norm", x));
  const left = await tape.leave("tp", await tape.local(heads, "heads", entered));
  const shards: Held<{ tp: "V" }> = await tape.local(columns, "columns", await tape.move("tp", enter, x));
  const whole: Held<{ tp: "R" }> = await tape.move("tp", gather(1), shards);
  const again: Held<{ tp: "V" }> = await tape.move("tp", scatter(1), await tape.local(heads, "heads", whole));
  const shifted: Held<{ tp: "V" }> = await tape.move("tp", shift(1), again);
  wants<{ tp: "V" }>(await tape.move("tp", allToAll(1, 0), shifted));
  return tape.local(add, "add", x, left);
}

export async function forgottenEnter(tape: Tape, x: Held): Promise<void> {
  // @ts-expect-error: heads reads a replicated tensor, x is invariant
  await tape.local(heads, "heads", x);
}

export async function forgottenLeave(tape: Tape, x: Held<{ tp: "R" }>, stream: Held): Promise<void> {
  const partial = await tape.local(heads, "heads", x);
  // @ts-expect-error: add reads invariant tensors, partial is a rank's part of a sum
  await tape.local(add, "add", stream, partial);
}

// @ts-expect-error: a layer's output is invariant; this is a rank's part of a sum
export const partialOutput = (tape: Tape, x: Held<{ tp: "R" }>): Promise<Held> => tape.local(heads, "heads", x);

export async function wrongMoves(tape: Tape, x: Held, shard: Held<{ tp: "V" }>): Promise<void> {
  // @ts-expect-error: an invariant tensor has nothing to sum
  await tape.leave("tp", x);
  // @ts-expect-error: the same, as a crossing
  await tape.move("tp", leave, x);
  // @ts-expect-error: a shard is not invariant
  await tape.enter("tp", shard);
  // @ts-expect-error: scatter starts from a partial tensor
  await tape.move("tp", scatter(1), x);
  // @ts-expect-error: only shards go round a ring
  await tape.move("tp", shift(1), x);
  // @ts-expect-error: a string is no crossing
  await tape.move("tp", "I->P", x);
  // @ts-expect-error: gather gives a replicated tensor
  wants<Everywhere>(await tape.move("tp", gather(1), shard));
  // @ts-expect-error: this tensor is cut along tp, not along cp
  await tape.move("cp", gather(1), shard);
}

export async function severalAxes(tape: Tape, x: Held<{ cp: "V" }>): Promise<void> {
  const entered = await tape.enter("tp", x);
  const both: Held<{ tp: "R"; cp: "V" }> = entered;
  const turned: Held<{ cp: "V"; tp: "R" }> = await tape.move("cp", shift(1), both);
  const partial: Held<{ tp: "P"; cp: "V" }> = await tape.local(spread, "heads", turned);
  wants<{ cp: "V" }>(await tape.leave("tp", partial));
  // @ts-expect-error: what is V along cp stays so when it enters tp
  wants<{ tp: "R" }>(entered);
  // @ts-expect-error: and leaving tp does not join what cp cuts
  wants<Everywhere>(await tape.leave("tp", partial));
  // @ts-expect-error: heads was not written for a part of a sequence: cutAlong says that it may be
  await tape.local(heads, "heads", both);
  // @ts-expect-error: nor does what was cut along cp take a whole one
  await tape.local(spread, "heads", await tape.move("cp", gather(1), both));
}

export async function anotherAxis(tape: Tape, x: Held, axis: string): Promise<Held> {
  const named = onAxis(heads, axis); // the type keeps the segment's own word
  return tape.leave("tp", await tape.local(named, "heads", await tape.enter("tp", x)));
}

// @ts-expect-error: its back would be a partial tensor's, I -> P
export const unpaired: Crossing<"R", "I"> = { ...enter, from: "R", to: "I" };

export function plainTensors(tape: Tape, x: Tensor): void {
  // @ts-expect-error: nobody said how a plain tensor is held
  wants<Everywhere>(x);
  // @ts-expect-error: nor here
  void tape.enter("tp", x);
}

// @ts-expect-error: there are four placements
export const fifth: Placement = "S";

// @ts-expect-error: nor has a segment others
export const odd = segment({ name: "odd", from: { tp: "S" }, params: [], run: (_, x) => x! });
