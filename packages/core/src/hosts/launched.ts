// What the command line leaves where `train` looks, whichever copy of the library the script has.
import type { JobOptions } from "../plan/options.ts";
import type { Transport } from "../transports/transport.ts";

type Shelf = { readonly [name: symbol]: unknown };
/** Set by `orthant plan`: takes the options instead of training. */
type Intercept = (options: JobOptions) => Promise<void>;
export const intercept = () => (globalThis as Shelf)[Symbol.for("orthant.intercept")] as Intercept | undefined;
/** Set by `orthant run`: what carries the frames, whatever the script says. */
export const launched = () => (globalThis as Shelf)[Symbol.for("orthant.transport")] as Transport | undefined;

/** Set by `orthant run --restarts`: how often it started this run before. */
export const attempted = () => (globalThis as Shelf)[Symbol.for("orthant.attempt")] as number | undefined;

/** Set by `orthant run --elastic`: how many ranks there are now. */
export const ranksNow = () => (globalThis as Shelf)[Symbol.for("orthant.ranks")] as number | undefined;
