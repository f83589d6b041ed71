// The options that a user's script would train with: runs it with `train` diverted. No tensor, no worker.
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { TrainOptions } from "@orthant/core";
import { UsageError } from "./result.ts";

/** `train` looks here first, and does nothing else where it finds a function. Any copy of the library finds the same one. */
const INTERCEPT = Symbol.for("orthant.intercept");

/** Fails by itself, with the place in the script where there is one. */
export class ScriptError extends Error {}

/** Resolves to the options of the script's first `train` call; `args` are what it sees itself. Rejects with a ScriptError where it fails. */
export function trainOptionsOf(script: string, args: readonly string[]): Promise<TrainOptions> {
  if (!statSync(script, { throwIfNoEntry: false })?.isFile())
    throw new UsageError(`there is no file ${script}; paths count from the working directory`);
  const file = resolve(script);
  process.argv = [process.argv[0]!, file, ...args];
  return new Promise((found, fail) => {
    Object.assign(globalThis, { [INTERCEPT]: async (options: TrainOptions) => found(options) });
    process.once("beforeExit", () => fail(new ScriptError(`${script} ended without a call of train()`)));
    import(pathToFileURL(file).href).catch((error) => fail(new ScriptError(stackOf(error), { cause: error })));
  });
}

const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));
