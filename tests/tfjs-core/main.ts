// `npm run test:tfjs-core`: tfjs-core's own specs of backends, which nobody here wrote, on a device as tfjs has it and with our
// kernels. No spec that passes there may fail here, and what fails here must be in `known.ts`.
// Usage: node tests/tfjs-core/main.ts [DEVICE ...]: files of `backends/`; without, those that run wherever this repository does.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { argv, exit } from "node:process";
import { promisify } from "node:util";
import { softwareVulkan } from "../../scripts/setup-webgpu.ts";
import { bundle } from "./bundle.ts";
import { type Known, known } from "./known.ts";

/** What failed, by the spec's name; null for one that passed. */
type Results = ReadonlyMap<string, string | null>;

const execute = promisify(execFile);

async function resultsOf(file: string, kind: "ours" | "stock"): Promise<Results> {
  const args = [join(import.meta.dirname, "specs.ts"), file, kind];
  const { stdout } = await execute(process.execPath, args, { maxBuffer: 2 ** 28, timeout: 600_000 });
  return new Map(JSON.parse(stdout.trim().split("\n").at(-1)!) as [string, string | null][]);
}

const failures = (results: Results): [name: string, why: string][] =>
  [...results].flatMap(([name, why]) => (why === null ? [] : [[name, why]]));

const isFor = ({ name, message }: Known, [spec, why]: [string, string]): boolean =>
  (name?.test(spec) ?? true) && (message?.test(why) ?? true);

/** What must not be, a line each. */
function complaints(device: string, stock: Results, ours: Results): string[] {
  const table = known[device] ?? [];
  const left = failures(ours);
  const worse = left.filter(([name]) => stock.get(name) === null);
  const lines = worse.map(([name, why]) => `passes on tfjs's own ${device}, fails with our kernels: ${name}: ${why}`);
  for (const entry of table) {
    const found = left.filter((failure) => isFor(entry, failure));
    for (const failure of found) left.splice(left.indexOf(failure), 1);
    if (found.length !== entry.count)
      lines.push(`known.ts has ${entry.count} failures of "${entry.why}"; there are ${found.length}`);
  }
  return [...lines, ...left.map(([name, why]) => `fails, and is not in known.ts: ${name}: ${why}`)];
}

async function check(device: string): Promise<boolean> {
  if (device === "webgpu") process.env.VK_ICD_FILENAMES ??= softwareVulkan().swiftShader;
  const file = await bundle(device);
  const [stock, ours] = [await resultsOf(file, "stock"), await resultsOf(file, "ours")];
  const lines = complaints(device, stock, ours);
  for (const line of lines) console.log(line);
  const [before, after] = [failures(stock).length, failures(ours).length];
  console.log(
    `${device}: ${ours.size} specs, ${before} fail on tfjs's own, ${after} with our kernels, each with a reason`,
  );
  return lines.length === 0 && ours.size > 4000;
}

const devices = argv.length > 2 ? argv.slice(2) : ["wasm"];
const held: boolean[] = [];
for (const device of devices) held.push(await check(device));
exit(held.every(Boolean) ? 0 : 1);
