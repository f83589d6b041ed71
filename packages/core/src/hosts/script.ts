// The module that worker threads run again: the user's script, wherever that is what this program runs.
import { sep } from "node:path";
import { pathToFileURL } from "node:url";
import { isMainThread } from "node:worker_threads";
import type { Transport } from "../transports/transport.ts";

/** Set by `orthant run`, whose own module comes first and imports the script. */
const entry = () =>
  (globalThis as { readonly [name: symbol]: unknown })[Symbol.for("orthant.entry")] as URL | undefined;

/** Whether a main module is a test runner, or a file of tests, which only a runner can run. */
const belongsToTests = (main: string): boolean =>
  main.split(sep).includes("node_modules") || /[._](test|spec)\.[cm]?[jt]sx?$/.test(main);

/**
 * Finds the module that workers run; undefined where the script is not this program's own, as inside a test runner or a thread of
 * somebody else: then all ranks share this thread. Throws where the program has none.
 */
export function scriptOf({ script, name }: Transport): URL | undefined {
  if (script) return script instanceof URL ? script : pathToFileURL(script);
  const main = process.argv[1];
  if (entry()) return entry();
  if (!isMainThread || (main && belongsToTests(main))) return undefined;
  if (!main)
    throw new Error(`${name}(): this program has no main module to run in workers; name one: ${name}({ script })`);
  return pathToFileURL(main);
}
