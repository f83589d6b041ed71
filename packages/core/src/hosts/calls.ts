// The calls of `train` and `run` that a script makes, in order. Who runs the script again, to come to a later call, is told what the
// ones before came to: it does not train again.
import { workerData } from "node:worker_threads";
import { toPlain } from "../errors.ts";
import type { Transport } from "../transports/transport.ts";
import type { Call, PastCall } from "./past.ts";
import type { ThreadTicket } from "./worker.ts";

interface Kept {
  past: Promise<PastCall>;
  readonly call: Call;
}

/** The calls of this process live where every copy of the library finds them. */
const shelf = globalThis as { [calls: symbol]: Kept[] | undefined };
const place = Symbol.for("orthant.calls");

export const ticketOf = (): ThreadTicket | undefined =>
  (workerData as { readonly orthant?: ThreadTicket } | null)?.orthant;

/** Whether the ranks of a run may live elsewhere: those of one that never spreads are run again with the script. */
export const spreads = ({ workers }: Transport): boolean => workers !== undefined;

/** Takes what a call came to that an earlier thread has made; undefined where this one is to run it. */
export const pastOf = (transport: Transport): PastCall | undefined =>
  spreads(transport) ? ticketOf()?.calls.shift() : undefined;

/** Counts a call of this process. */
export function countCall(): Call {
  shelf[place] ??= [];
  const all = shelf[place];
  const number = all.length;
  const kept: Kept = {
    past: new Promise(() => {}),
    call: {
      number,
      before: async () => {
        const past: PastCall[] = [];
        for (const { past: one, call } of all.slice(0, number)) {
          past.push(await one);
          await call.line?.pass(past.at(-1)!);
          call.line = undefined;
        }
        return past;
      },
      ends(told, done) {
        kept.past = done.then(
          (result) => ({ told, result }),
          (error: unknown) => ({ told, error: toPlain(error) }),
        );
      },
      line: undefined,
    },
  };
  all.push(kept);
  return kept.call;
}
