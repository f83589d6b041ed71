// Runs a bundle of specs in this process, and prints what came of each as JSON. Usage: node specs.ts BUNDLE ours|stock
import { createRequire } from "node:module";
import { argv, exit, stdout } from "node:process";
import { pathToFileURL } from "node:url";

/** What jasmine says of a spec. */
interface Done {
  readonly fullName: string;
  readonly status: string;
  readonly failedExpectations: readonly { readonly message: string }[];
}

interface Jasmine {
  DEFAULT_TIMEOUT_INTERVAL: number;
  getEnv(): {
    configure(options: { random: boolean }): void;
    addReporter(reporter: { specDone(spec: Done): void }): void;
    execute(): Promise<unknown>;
  };
}

const [, , file, kind] = argv as [string, string, string, string];
const core = createRequire(import.meta.url)("jasmine-core") as { boot(core: unknown): void };
core.boot(core);
const { jasmine } = globalThis as unknown as { jasmine: Jasmine };
jasmine.DEFAULT_TIMEOUT_INTERVAL = 20_000;
const env = jasmine.getEnv();
env.configure({ random: false });
const results: [name: string, failure: string | null][] = [];
env.addReporter({
  specDone({ fullName, status, failedExpectations }) {
    if (status !== "passed" && status !== "failed") return;
    const [first] = failedExpectations;
    results.push([fullName, first ? (first.message.split("\n")[0] ?? "").slice(0, 200) : null]);
  },
});
argv[2] = kind;
await import(pathToFileURL(file).href);
await env.execute();
stdout.write(`\n${JSON.stringify(results)}\n`, () => exit(0));
