// `orthant plan`: the options that the user's script would train with, planned and described. No tensor, no worker.
import { describePlan, plan, type TrainOptions } from "@orthant/core";
import { type Result, UsageError } from "./result.ts";
import { ScriptError, trainOptionsOf } from "./script.ts";

/** The plan of the script's first `train` call. What follows the script's name is what it sees itself. */
export async function planCommand([script, ...args]: readonly string[]): Promise<Result> {
  if (!script) throw new UsageError("orthant plan needs a script, such as: orthant plan train.ts");
  try {
    return await describe(await trainOptionsOf(script, args));
  } catch (error) {
    if (error instanceof ScriptError) return { code: 1, text: error.message };
    throw error;
  }
}

/** A plan that cannot work says why in its message: where in the library that was found is of no use. */
async function describe(options: TrainOptions): Promise<Result> {
  try {
    return { code: 0, text: describePlan(await plan(options), options) };
  } catch (error) {
    return { code: 1, text: error instanceof Error ? error.message : String(error) };
  }
}
