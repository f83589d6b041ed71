// `orthant plan`: runs the user's script with `train` diverted, so that the options it would train with are planned and
// described instead. No tensor, no worker.
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { describePlan, plan, type TrainOptions } from "@orthant/core";
import { type Result, UsageError } from "./result.ts";

/** `train` looks here first, and does nothing else where it finds a function. Any copy of the library finds the same one. */
const INTERCEPT = Symbol.for("orthant.intercept");

/** The plan of the script's first `train` call. What follows the script's name is what it sees itself. */
export async function planCommand([script, ...args]: readonly string[]): Promise<Result> {
  if (!script) throw new UsageError("orthant plan needs a script, such as: orthant plan train.ts");
  if (!statSync(script, { throwIfNoEntry: false })?.isFile())
    throw new UsageError(`there is no file ${script}; paths count from the working directory`);
  const file = resolve(script);
  process.argv = [process.argv[0]!, file, ...args];
  return new Promise((settle) => {
    const intercept = async (options: TrainOptions) => settle(await describe(options));
    Object.assign(globalThis, { [INTERCEPT]: intercept });
    process.once("beforeExit", () => settle({ code: 1, text: `${script} ended without a call of train()` }));
    import(pathToFileURL(file).href).catch((error) => settle({ code: 1, text: stackOf(error) }));
  });
}

/** A plan that cannot work says why in its message: where in the library that was found is of no use. */
async function describe(options: TrainOptions): Promise<Result> {
  try {
    return { code: 0, text: describePlan(await plan(options), options) };
  } catch (error) {
    return { code: 1, text: error instanceof Error ? error.message : String(error) };
  }
}

/** The script's own error, with the place in the script. */
const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));
