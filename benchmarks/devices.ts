// `npm run bench -- devices [DEVICE ...]`: the GPT of `bench -- cpu`, forward and backward, on each device that this machine has,
// beside plain tfjs code of the same model on the same backend, in one run; a step of one rank on tensorflow, two threads of its own,
// beside one of two ranks on wasm; the time of a wasm step by kernel. Each device is a process of its own.
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const execute = promisify(execFile);
const pathOf = (relative: string) => new URL(relative, import.meta.url).pathname;
const median = (xs: readonly number[]) => xs.toSorted((a, b) => a - b)[xs.length >> 1]!;
const ROUNDS = 7;

/** Plain code must take at least this many times as long. */
const bars: Readonly<Record<string, number>> = { wasm: 6, tensorflow: 1.5, webgpu: 1.5, cpu: 1, cuda: 1.5 };

type Rounds = readonly (readonly [plain: number, own: number])[];

async function output(script: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { stdout } = await execute(process.execPath, [pathOf(script), ...args], { env: { ...process.env, ...env } });
  return stdout.trim();
}

/** Last line of what failed says why. */
const whyOf = (error: unknown): string =>
  /device \w+: [^\n]*/.exec((error as Error).message)?.[0] ?? String(error).slice(0, 300);

async function againstPlain(device: string): Promise<boolean> {
  const out = await output("./devices/side.ts", [device, `${ROUNDS}`]).catch(whyOf);
  if (!out.endsWith("]]")) {
    console.log(`${device}: not here: ${out}`);
    return true;
  }
  const rounds = JSON.parse(out.split("\n").at(-1)!) as Rounds;
  const ratio = median(rounds.map(([plain, own]) => plain / own));
  const [plain, own] = [0, 1].map((side) => median(rounds.map((round) => round[side]!)).toFixed(0));
  const met = ratio >= bars[device]!;
  console.log(
    `${device}: plain tfjs ${plain} ms / ours ${own} ms = ${ratio.toFixed(2)} (${ROUNDS} rounds; ${met ? "meets" : "MISSES"} >= ${bars[device]})`,
  );
  return met;
}

/** Fastest step of a job, ms. */
async function fastest(device: string, dp: number): Promise<number> {
  const out = await output("./cpu-job.ts", [], { ORTHANT_DEVICE: device, DP: `${dp}` });
  return Math.min(...(JSON.parse(out.split("\n").at(-1)!) as number[]).slice(1));
}

async function twoByTwo(): Promise<void> {
  const steps: [number, number][] = [];
  for (let round = 0; round < 3; round++) steps.push([await fastest("wasm", 2), await fastest("tensorflow", 1)]);
  const [wasm, tensorflow] = [0, 1].map((side) => median(steps.map((step) => step[side]!)).toFixed(0));
  const ratio = median(steps.map(([a, b]) => a / b)).toFixed(2);
  console.log(
    `a step of the trainer: two ranks on wasm ${wasm} ms / tensorflow, two threads ${tensorflow} ms = ${ratio}`,
  );
}

const given = process.argv.slice(2);
const met: boolean[] = [];
for (const device of given.length ? given : ["wasm", "tensorflow", "webgpu", "cuda"])
  met.push(await againstPlain(device));
if (!given.length) {
  await twoByTwo().catch((error) => console.log(`two ranks on wasm beside tensorflow: ${whyOf(error)}`));
  console.log(await output("./devices/by-kernel.ts", []));
}
process.exitCode = met.every(Boolean) ? 0 : 1;
