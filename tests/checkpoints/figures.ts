// What saving costs: against plain writes of the same bytes to the same disk, in time that a step waits, in memory. Prints ratios of
// one run; the disk is shared with whoever else writes.
import { closeSync, fsyncSync, mkdtempSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { adamw, type Data, memoryEndpoints, plan, run, type TrainOptions } from "@orthant/core";
import { mlp } from "@orthant/nn";
import { tinyGpt, tinySequences } from "@orthant/testing";
import { wholeExtent } from "../../packages/core/src/checkpoint/extent.ts";
import { findCheckpoint, openFolder } from "../../packages/core/src/checkpoint/folder.ts";
import { Loader } from "../../packages/core/src/checkpoint/load.ts";
import type { Source } from "../../packages/core/src/checkpoint/parts.ts";
import { Saver } from "../../packages/core/src/checkpoint/save.ts";

const MiB = 2 ** 20;
/** Pairs of writes, of which the best are compared: in a virtual machine, memory that the disk's cache touches first is slow. */
const rounds = 5;
/** Least part of the disk's plain rate that a save must reach. */
const leastRate = 0.7;
/** Most bytes beside the model that a save, and a load, may hold: of tensors one, and this. */
const buffers = 64 * MiB;
/** Most of a synchronous save's time, and most ms, that a save in the background may hold up a step. */
const most = { part: 0.1, ms: 100 };

const field = { shape: [8], dtype: "float32" } as const;
const data: Data = {
  input: field,
  target: field,
  tokens: 1,
  sample: () => ({ input: new Float32Array(8), target: new Float32Array(8) }),
};

/** 1 GiB with the state of AdamW. */
const large: TrainOptions = {
  model: mlp({ inputs: 8, outputs: 8, layers: 3, width: 2048, hidden: 7296 }),
  data,
  batch: 1,
  optimizer: adamw({ lr: 0.1 }),
  steps: 1,
};

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

/** Lets what is garbage go. */
async function collected(): Promise<void> {
  globalThis.gc?.();
  await setTimeout(20);
}

/** Most bytes that the process holds while `work` goes on, beyond those before: of memory outside the heap, which is where arrays are. */
async function extraBytes(work: () => Promise<unknown>): Promise<number> {
  await collected();
  const held = () => process.memoryUsage().arrayBuffers;
  const before = held();
  let peak = before;
  const timer = setInterval(() => {
    peak = Math.max(peak, held());
  }, 1);
  await work().finally(() => clearInterval(timer));
  return Math.max(peak, held()) - before;
}

/** Writes the same arrays as one new file, in large pieces, flushes it, and removes the one before, as a save does. */
function plainWrite(path: string, arrays: readonly Float32Array[]): void {
  const file = openSync(`${path}.new`, "wx");
  for (const { buffer, byteLength } of arrays)
    for (let at = 0; at < byteLength; at += 8 * MiB)
      writeSync(file, new Uint8Array(buffer, at, Math.min(8 * MiB, byteLength - at)));
  fsyncSync(file);
  closeSync(file);
  rmSync(path, { force: true });
  renameSync(`${path}.new`, path);
}

const say = (ok: boolean, text: string): number => {
  console.log(`${ok ? "ok  " : "FAIL"} ${text}`);
  return ok ? 0 : 1;
};

async function largeFigures(dir: string): Promise<number> {
  const decided = await plan(large);
  const values = new Map(
    decided.specs.map(({ name, shape }) => [name, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5)]),
  );
  const source: Source = {
    piece: async (name) => values.get(name)!,
    extra: async () => new Map(),
    slots: async (name) => [values.get(name)!, values.get(name)!],
  };
  const arrays = [...values.values()].flatMap((array) => [array, array, array]);
  const bytes = arrays.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const [endpoint] = memoryEndpoints(1);
  const unseen = { losses: [], evaluations: [] };
  const saver = (background: boolean) =>
    new Saver({
      ...{ plan: decided, endpoint: endpoint!, folder: dir, keep: 1, background, apart: [] },
      run: runOf(large),
    });
  await openFolder(dir);
  const [plain, saved]: [number[], number[]] = [[], []];
  const writer = saver(false);
  const writePlain = async () => plain.push(await timed(async () => plainWrite(join(dir, "plain"), arrays)));
  const writeSaved = async (step: number) => saved.push(await timed(() => writer.save(step, source, unseen)));
  for (let i = 0; i < rounds; i++) {
    const turns = [writePlain, () => writeSaved(i + 1)]; // a disk may tire: neither is always first
    for (const turn of i % 2 ? turns.toReversed() : turns) await turn();
  }
  const extra = await extraBytes(() => writer.save(rounds + 1, source, unseen));
  const rate = (ms: number) => `${Math.round(bytes / MiB / (ms / 1000))} MiB/s`;
  const [plainBest, savedBest] = [Math.min(...plain), Math.min(...saved)];
  const part = plainBest / savedBest;
  const largest = Math.max(...[...values.values()].map(({ byteLength }) => byteLength));
  const show = (n: number) => `${Math.round(n / MiB)} MiB`;
  const behind = saver(true);
  const held: number[] = [];
  for (let i = rounds + 2; i < rounds + 6; i++) {
    held.push(await timed(() => behind.save(i, source, unseen)));
    await behind.finish();
  }
  await behind.close();
  const waits = median(held.slice(1)); // the first makes the memory
  const loading = await extraBytes(() => load(dir));
  await endpoint!.close();
  return (
    say(
      part >= leastRate,
      `a save of ${show(bytes)}: ${rate(savedBest)}, ${part.toFixed(2)} of the disk's ${rate(plainBest)} (least ${leastRate})`,
    ) +
    say(
      extra <= largest + buffers,
      `memory beside the model in a save: ${show(extra)} (a tensor ${show(largest)} + ${show(buffers)})`,
    ) +
    say(
      loading <= largest + buffers,
      `memory beside a tensor in a load: ${show(loading)} (a tensor ${show(largest)} + ${show(buffers)})`,
    ) +
    say(
      waits <= 0.5 * savedBest,
      `in the background a step waits ${waits.toFixed(0)} ms for a copy of ${show(bytes)}, the first ${held[0]!.toFixed(0)} ms: ${(waits / savedBest).toFixed(2)} of a save that it waits for`,
    )
  );
}

const runOf = ({ model, optimizer, batch }: TrainOptions) => ({
  ...{ library: "", model: model.name, mesh: {}, strategies: [], seed: 0, batch },
  optimizer: { name: optimizer.name, slots: optimizer.slots },
});

/** Reads every tensor, one at a time. */
async function load(dir: string): Promise<void> {
  const found = (await findCheckpoint(dir))!;
  const loader = new Loader(found);
  for (const { name, shape, slots } of found.state.tensors) {
    await loader.piece(name, wholeExtent(shape));
    await collected(); // what is garbage is not held
    for (let slot = 0; slot < slots; slot++) {
      await loader.slot(name, slot, wholeExtent(shape));
      await collected();
    }
  }
  await loader.close();
}

/** ms that steps of a real run wait for saves: the time from one step's report to the next, less the step itself. */
async function heldUp(dir: string, background: boolean): Promise<number[]> {
  const session = await run({
    model: tinyGpt({ width: 256, vocab: 512, context: 6 }),
    data: tinySequences({ context: 6, vocab: 512 }),
    batch: 4,
    optimizer: adamw({ lr: 1e-3 }),
    steps: 24,
    device: "wasm",
    run: false,
    quiet: true,
    checkpoint: { every: 4, keep: 1, dir, async: background },
  });
  const waits: number[] = [];
  let last = performance.now();
  for await (const { step, ms } of session) {
    const now = performance.now();
    if (step > 0 && step % 4 === 0) waits.push(now - last - ms);
    last = now;
  }
  await session.close();
  return waits;
}

/** Prints every figure with its bound. Returns how many were missed. */
export async function figures(): Promise<number> {
  const dir = mkdtempSync(join(process.cwd(), ".checkpoints-"));
  try {
    const missed = await largeFigures(join(dir, "large"));
    const waiting = median(await heldUp(join(dir, "waiting"), false));
    const behind = median(await heldUp(join(dir, "behind"), true));
    const text = `a step of a small GPT waits ${behind.toFixed(1)} ms for a save in the background, ${waiting.toFixed(1)} for one that it waits for`;
    return (
      missed +
      say(
        behind <= most.ms && behind <= most.part * waiting,
        `${text}: ${(behind / waiting).toFixed(2)} (most ${most.part})`,
      )
    );
  } finally {
    rmSync(dir, { recursive: true });
  }
}
