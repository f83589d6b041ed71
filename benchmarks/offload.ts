// `npm run bench -- offload`: a model whose parameters alone are 8 times what a rank may hold trains from disk. Its losses against
// those without a cap, its time against the disk's plain sequential rate for as many bytes, in the same folder and run. Files are
// smaller than memory, so the system's cache serves both sides. Usage: npm run bench -- offload [--width 256] [--steps 2]
import { mkdtempSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { adamw, type Layer, type Model, memory, plan, type TrainOptions, totalOf, train } from "@orthant/core";
import { arrays, segments } from "@orthant/nn";
import { type Offload, zero } from "@orthant/zero";

const { values: given } = parseArgs({
  options: { width: { type: "string", default: "256" }, steps: { type: "string", default: "2" } },
});
const [width, steps] = [Number(given.width), Number(given.steps)];
const [ranks, layers] = [16, 64];
const MiB = 2 ** 20;
const shown = (bytes: number): string => `${(bytes / MiB).toFixed(2)} MiB`;

const layer = (name: string): Layer => ({
  name,
  params: [
    { name: "weight", shape: [width, width], init: { kind: "normal", std: 1 / Math.sqrt(width) } },
    { name: "bias", shape: [width], init: { kind: "constant", value: 0 } },
  ],
  forward: (tape, x) => tape.local(segments.linear, name, x),
});

const model: Model = {
  name: "deep",
  layers: Array.from({ length: layers }, (_, i) => layer(`${i}`)),
  loss: (tape, y, target) => tape.local(segments.squaredError, "", y, target),
};
const inputs = Array.from({ length: 64 }, (_, i) => Array.from({ length: width }, (_, j) => Math.sin(i * width + j)));

const job = (offload?: Offload): TrainOptions => ({
  model,
  data: arrays({ inputs, targets: inputs }),
  batch: ranks,
  mesh: { dp: ranks },
  strategies: [zero({ stage: 3, bucketBytes: 0, prefetch: 0, ...(offload && { offload }) })],
  optimizer: adamw({ lr: 1e-4 }),
  steps,
  transport: memory(),
  run: false,
  quiet: true,
});

async function timed<T>(run: () => Promise<T>): Promise<[T, number]> {
  const from = performance.now();
  return [await run(), (performance.now() - from) / 1000];
}

/** Writes, then reads, so many bytes of a file by position, one after the other, in pieces of 1 MiB. Seconds. */
async function plain(folder: string, written: number, read: number): Promise<number> {
  const file = await open(join(folder, "plain"), "w+");
  const piece = new Uint8Array(MiB);
  const size = 64 * MiB;
  const [, seconds] = await timed(async () => {
    for (let at = 0; at < written; at += MiB) await file.write(piece, 0, MiB, at % size);
    for (let at = 0; at < read; at += MiB) await file.read(piece, 0, MiB, at % size);
  });
  await file.close();
  return seconds;
}

const folder = mkdtempSync(join(tmpdir(), "orthant-bench-"));
try {
  const whole = await plan(job());
  const bytes = 4 * whole.specs.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const capBytes = Math.floor(bytes / 8);
  const refused = await plan({ ...job(), capBytes }).catch((cause: Error) => cause.message);
  const away = { optimizer: "disk", params: "disk", folder } as const;
  const planned = await plan({ ...job(away), capBytes });
  const [without, plainly] = await timed(() => train(job()));
  const [found, offloaded] = await timed(() => train({ ...job(away), capBytes }));
  // Each step: values for forward, backward and update, state for the update; both written. Before: both written. After: values.
  const rest = planned.model.layers.flatMap((l) => l.segments.flatMap(({ reread }) => reread));
  const reread = 4 * rest.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const [written, read] = [3 * bytes * (steps + 1), steps * (bytes + reread + 3 * bytes) + bytes];
  const disk = await plain(folder, written, read);
  console.log(`${ranks} ranks in one thread, stage 3, ${layers} layers of width ${width}, ${steps} steps; AdamW`);
  console.log(`parameters ${shown(bytes)}; capBytes ${shown(capBytes)}: ${(bytes / capBytes).toFixed(1)} times`);
  console.log(`fullest rank, as planned: ${shown(Math.max(...planned.ranks.map((rank) => totalOf(rank.bytes))))}`);
  console.log(`without offload, plan says: ${typeof refused === "string" ? refused : "yes"}`);
  console.log(`losses   ${found.losses.join(" ")}`);
  console.log(`without  ${without.losses.join(" ")}`);
  console.log(`disk     ${shown(written)} written, ${shown(read)} read by the run`);
  console.log(
    `seconds  ${plainly.toFixed(2)} without offload, ${offloaded.toFixed(2)} with: ${(offloaded - plainly).toFixed(2)} more`,
  );
  console.log(`plain sequential writes and reads of as many bytes: ${disk.toFixed(2)} s`);
  const equal = found.losses.every((loss, i) => loss === without.losses[i]);
  console.log(equal ? "losses are the same to the last bit" : "LOSSES DIFFER");
  process.exitCode = equal && typeof refused === "string" ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}
