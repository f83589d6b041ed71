// Bundles tfjs-core's own specs (dist/tests in its npm package) with one device of `backends/` into one file.
import { join } from "node:path";
import { build } from "esbuild";

const here = import.meta.dirname;

/** Writes the bundle of a device; returns its path. */
export async function bundle(device: string): Promise<string> {
  const outfile = join(here, "../../node_modules/.cache/orthant", `tfjs-core-${device}.mjs`);
  await build({
    stdin: {
      contents: `import { start } from "./backends/${device}.ts"; import { prepare } from "./start.ts";
        await prepare(start); await import("@tensorflow/tfjs-core/dist/tests.js");`,
      resolveDir: here,
      loader: "ts",
    },
    bundle: true,
    outfile,
    platform: "node",
    format: "esm",
    mainFields: ["module", "main"],
    external: ["node-fetch", "string_decoder", "webgpu", "koffi"],
    banner: {
      js: `import { createRequire as _require } from "node:module"; const require = _require(import.meta.url), __dirname = import.meta.dirname;`,
    },
    ignoreAnnotations: true, // tfjs says that its specs have no effect
    logLevel: "error",
  });
  return outfile;
}
