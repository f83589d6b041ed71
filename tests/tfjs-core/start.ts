// Says on which backend the specs run that are loaded next. Bundled with them, so that both share one engine.
import "@tensorflow/tfjs";
import { setTestEnvs } from "@tensorflow/tfjs-core/dist/jasmine_util.js";
import type { TestBackend } from "./backend.ts";

/** Registers the backend, ours or stock by the word on the command line, and makes it the specs'. */
export async function prepare(start: TestBackend): Promise<void> {
  const { backendName, isDataSync } = await start(process.argv[2] === "ours");
  setTestEnvs([{ name: "device", backendName, isDataSync }]);
}
