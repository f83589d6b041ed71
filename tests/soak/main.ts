// A long run in bad weather: eight processes train over a nats-server that is killed every 5 s and comes back. Losses must be
// those of an undisturbed run to the last bit, memory and step time as flat at the end as at the start, the trace bounded.
// Run with `npm run test:soak`, or with fewer steps: `npm run test:soak -- 400`. Exits 1 where something is not as it must be.
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chdir } from "node:process";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { TestServer } from "@orthant/testing/nats-server";
import { type Program, Scene, seconds, until } from "../faults/processes.ts";
import type { Job } from "./train.ts";

const steps = Number(process.argv[2] ?? 2000);
/** ms between two deaths of the server. */
const every = 5000;
/** ms that all may take. */
const patience = 15 * 60_000;
/** Steps at the start that nothing is measured in: caches and compilers warm up. */
const warm = Math.min(200, Math.floor(steps / 4));
/** Steps of each window that is compared, the first after `warm` and the last. */
const window = Math.min(200, Math.floor((steps - warm) / 3));
const look = 20;

const pathOf = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** What one rank said of itself at some step. */
interface Look {
  readonly rank: number;
  readonly step: number;
  /** Bytes. */
  readonly held: number;
  /** ms. */
  readonly computed: number;
}

const looksOf = ({ lines }: Program): Look[] =>
  lines.flatMap(({ ranks, text }) => {
    const [, step, held, computed] = /^step (\d+) holds (\d+) after ([\d.]+)$/.exec(text) ?? [];
    return ranks
      .map((rank) => ({ rank, step: Number(step), held: Number(held), computed: Number(computed) }))
      .filter(() => step);
  });

const inFirst = (step: number): boolean => step >= warm && step <= warm + window;
const inLast = (step: number): boolean => step >= steps - window;

/** Kills the server until `program` ends; resolves to how often. */
async function disturb(server: TestServer, program: Program): Promise<number> {
  await program.said(/^step 0 holds/, patience); // who comes first must find one
  for (let times = 0; ; times++) {
    for (const from = performance.now(); performance.now() - from < every; await setTimeout(50))
      if (program.ended !== undefined) return times;
    await server.kill();
    await server.up();
  }
}

async function lossesOf(program: Program): Promise<string> {
  const [, losses = ""] = await program.said(/^losses (.*)$/, patience);
  await until("its end", patience, () => program.ended !== undefined);
  if (program.ended !== 0) throw new Error(`ended with ${program.ended}:\n${program.tail()}`);
  return losses;
}

/** The rank whose memory grew most, as the ratio of medians; and computing a step of all ranks, likewise. */
function growth(looks: readonly Look[]): { held: number; computed: number } {
  const ranks = [...new Set(looks.map(({ rank }) => rank))];
  const of = (rank: number, within: (step: number) => boolean) =>
    looks.filter((one) => one.rank === rank && within(one.step));
  const held = (rank: number, within: (step: number) => boolean) => median(of(rank, within).map((one) => one.held));
  const computed = (within: (step: number) => boolean): number =>
    ranks.reduce((sum, rank) => {
      const [first, last] = [of(rank, within)[0], of(rank, within).at(-1)] as [Look, Look];
      return sum + (last.computed - first.computed) / (last.step - first.step);
    }, 0);
  const grown = ranks.map((rank) => held(rank, inLast) / held(rank, inFirst));
  const parts = [0, 1, 2, 3, 4].map((i) => warm + (i * (steps - warm - window)) / 4);
  const mib = (rank: number) =>
    parts.map((from) => (held(rank, (step) => step >= from && step <= from + window) / 2 ** 20).toFixed(0)).join(" ");
  for (const rank of ranks.toSorted()) console.log(`memory of rank ${rank}, MiB, start to end: ${mib(rank)}`);
  return { held: Math.max(...grown), computed: computed(inLast) / computed(inFirst) };
}

/** Median ms of the last steps over that of the first: outages are few steps, and do not count. */
function slowdown(dir: string): number {
  const [, ...lines] = readFileSync(join(dir, "metrics.jsonl"), "utf8").trimEnd().split("\n");
  const times = lines.map((line) => JSON.parse(line) as { step: number; ms: number });
  const of = (within: (step: number) => boolean) =>
    median(times.filter(({ step }) => within(step)).map(({ ms }) => ms));
  console.log(`median step ${of(inFirst).toFixed(1)} ms at the start, ${of(inLast).toFixed(1)} ms at the end`);
  return of(inLast) / of(inFirst);
}

async function soak(scene: Scene): Promise<boolean> {
  const from = performance.now();
  const job: Job = { steps, look, run: "soak" };
  const server = await scene.server();
  const words = ["run", "--ranks", "8", "--nats", server.url, pathOf("train.ts"), JSON.stringify(job)];
  const program = scene.start(pathOf("../../packages/cli/bin/orthant.js"), ...words);
  const [losses, deaths] = await Promise.all([lossesOf(program), disturb(server, program)]);
  const took = performance.now() - from;
  const alone = await lossesOf(scene.start(pathOf("train.ts"), JSON.stringify({ steps, look: steps })));
  const { held, computed } = growth(looksOf(program));
  const slower = slowdown("runs/soak");
  const trace = statSync("runs/soak/trace.json").size / 2 ** 20;
  JSON.parse(readFileSync("runs/soak/trace.json", "utf8"));
  const rows = [
    {
      what: "losses equal",
      seen: `${steps} steps, server killed ${deaths} times, ${seconds(took)}`,
      ok: losses === alone,
    },
    { what: "server killed", seen: `${deaths} times`, ok: deaths > 0 },
    { what: "memory of the rank that grew most", seen: `${held.toFixed(3)} x`, ok: held < 1.05 },
    // Others use the machine: they lengthen steps, hardly what a step computes.
    {
      what: "step time, and what a step computes",
      seen: `${slower.toFixed(3)} x, ${computed.toFixed(3)} x`,
      ok: Math.min(slower, computed) < 1.1,
    },
    { what: "trace.json", seen: `${trace.toFixed(1)} MiB`, ok: trace < 65 },
  ];
  console.table(rows);
  return rows.every(({ ok }) => ok);
}

// Garbage is collected before each look, and V8 keeps little room for it. glibc keeps one arena, and gives back what it can:
// left alone, it raises the size from which blocks go back to the system with each large one freed. What grows then is held.
Object.assign(process.env, {
  NODE_OPTIONS: "--expose-gc --max-semi-space-size=2",
  MALLOC_ARENA_MAX: "1",
  MALLOC_MMAP_THRESHOLD_: "131072",
  MALLOC_TRIM_THRESHOLD_: "131072",
});
const folder = mkdtempSync(join(tmpdir(), "orthant-soak-"));
chdir(folder);
const scene = new Scene();
const good = await soak(scene).finally(() => scene.close());
chdir("/");
rmSync(folder, { recursive: true });
process.exit(good ? 0 : 1);
