// On a machine with an NVIDIA GPU: `node packages/backend-cuda/test/suite/main.ts`. Runs the specs of tfjs-core's npm
// package (dist/tests) on the backend at fp32 and lists those that fail, by the first line of what they say. Exits 1 where less
// than 97 % pass. With `--bundle FILE` it only writes the bundle, for a machine that has none of the tools.
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const PART = 0.97;
const here = import.meta.dirname;
const bundleFlag = process.argv.indexOf("--bundle");
const given = process.argv[2]?.endsWith(".mjs") ? process.argv[2] : undefined;
const file =
  bundleFlag > 0 ? process.argv[bundleFlag + 1]! : join(here, "../../../../node_modules/.cache/orthant-specs.mjs");

async function bundle(): Promise<void> {
  const { build } = await import("esbuild");
  await build({
    stdin: {
      contents: `import "./specs.ts"; import "@tensorflow/tfjs-core/dist/tests.js";`,
      resolveDir: here,
      loader: "ts",
    },
    bundle: true,
    outfile: file,
    platform: "node",
    format: "esm",
    mainFields: ["module", "main"],
    nodePaths: [join(here, "../../node_modules"), join(here, "../../../../node_modules")],
    external: ["koffi", "node-fetch", "string_decoder"],
    banner: { js: `import { createRequire as _r } from "node:module"; const require = _r(import.meta.url);` },
    ignoreAnnotations: true, // tfjs says that its specs have no effect
    logLevel: "error",
  });
}

interface Spec {
  readonly fullName: string;
  readonly status: string;
  readonly failedExpectations: readonly { readonly message: string }[];
}

function report(specs: readonly Spec[]): boolean {
  const ran = specs.filter(({ status }) => status === "passed" || status === "failed");
  const failed = ran.filter(({ status }) => status === "failed");
  for (const { fullName, failedExpectations } of failed)
    console.log(`FAILED ${fullName}: ${failedExpectations[0]?.message.split("\n")[0]?.slice(0, 160)}`);
  const part = 1 - failed.length / ran.length;
  console.log(`${ran.length} specs, ${(100 * part).toFixed(2)} % pass`);
  console.log(`${ran.length - failed.length} passed, ${failed.length} failed`);
  return part >= PART;
}

async function run(path: string): Promise<boolean> {
  const core = createRequire(import.meta.url)("jasmine-core") as { boot(core: unknown): void };
  core.boot(core);
  const jasmine = (globalThis as unknown as { jasmine: { DEFAULT_TIMEOUT_INTERVAL: number; getEnv(): JasmineEnv } })
    .jasmine;
  jasmine.DEFAULT_TIMEOUT_INTERVAL = 20_000;
  const env = jasmine.getEnv();
  env.configure({ random: false });
  const specs: Spec[] = [];
  env.addReporter({ specDone: (spec) => void specs.push(spec) });
  await import(pathToFileURL(path).href);
  await env.execute();
  return report(specs);
}

interface JasmineEnv {
  configure(options: { random: boolean }): void;
  addReporter(reporter: { specDone(spec: Spec): void }): void;
  execute(): Promise<unknown>;
}

if (!given) await bundle();
if (bundleFlag < 0) process.exit((await run(given ?? file)) ? 0 : 1);
