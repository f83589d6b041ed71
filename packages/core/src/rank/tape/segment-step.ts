// One run of a segment on the tape, as its backward needs it: parameters taken again, gradients handed on, in one go or in
// two halves. Not the order of a backward: that is `tape.ts`.
import type { Tensor } from "@tensorflow/tfjs";
import type { Gradients } from "../../params/gradients.ts";
import type { Moment } from "../../params/moment.ts";
import type { ParamStore } from "../../params/store.ts";
import type { Linearized } from "./vjp.ts";

/** The gradients of a backward: all of them, or those of activations now and those of parameters later (zero bubble). */
export type Half = "whole" | "inputs";

export type InputGradient = readonly [x: Tensor, dx: Tensor];

/** One entry of the tape. */
export interface Step {
  readonly y: Tensor;
  back(dy: Tensor, half: Half): Promise<readonly InputGradient[]>;
  /** The gradients of parameters, after `back(dy, "inputs")`. */
  weights?(dy: Tensor): Promise<void>;
  /** Frees what only a backward would have used. */
  drop(): void;
}

export interface SegmentRun {
  /** Names under which the segment uses its parameters, and the names of the parameters. */
  readonly uses: readonly string[];
  readonly names: readonly string[];
  readonly params: readonly Tensor[];
  readonly xs: readonly Tensor[];
  readonly linear: Linearized;
  /** Inputs whose gradient is wanted. */
  readonly wanted: readonly boolean[];
  readonly store: ParamStore;
  readonly gradients: Gradients;
  moment(what: string): Moment;
  /** Called when nothing is kept any more. */
  freed(): void;
}

/** A step that nothing wants the gradient of: what its pullback kept is freed at once. */
export function constantStep({ y, drop }: Linearized): Step {
  drop();
  return { y, back: async () => [], drop: () => {} };
}

/** A step with a backward. */
export function segmentStep(run: SegmentRun): Step {
  const { xs, uses, linear, wanted, gradients } = run;
  const trained = uses.map((use) => gradients.trains(use));
  const none = (list: readonly unknown[]) => list.map(() => false);
  const drop = () => {
    linear.drop();
    run.freed();
  };
  return {
    y: linear.y,
    drop,
    async back(dy, half) {
      const now = half === "whole" ? trained : none(uses);
      const grads = await pull(run, dy, [...now, ...wanted], half === "whole" ? "B" : "B inputs");
      if (half === "whole") drop();
      add(run, now, grads, "B");
      const found: InputGradient[] = [];
      for (const [i, x] of xs.entries()) if (grads[uses.length + i]) found.push([x, grads[uses.length + i]!]);
      return found;
    },
    async weights(dy) {
      if (trained.includes(true)) add(run, trained, await pull(run, dy, [...trained, ...none(xs)], "W"), "W");
      drop();
    },
  };
}

/** Takes the parameters that the backward reads again, and the gradients wanted. */
async function pull(
  { names, params, xs, linear, store, moment }: SegmentRun,
  dy: Tensor,
  want: boolean[],
  what: string,
) {
  const reread = names.filter((_, i) => linear.needs[i]);
  const again = await store.acquire(reread, moment(what));
  const values = names.map((name, i) => again[reread.indexOf(name)] ?? params[i]!); // what is not read may be gone
  const grads = linear.part(dy, [...values, ...xs], want);
  store.release(reread);
  return grads;
}

function add(
  { uses, gradients, moment }: SegmentRun,
  now: readonly boolean[],
  grads: readonly unknown[],
  what: string,
): void {
  const added = uses.filter((_, i) => now[i]);
  if (added.length) gradients.add(added, grads.filter((_, i) => now[i]) as Tensor[], moment(what));
}
