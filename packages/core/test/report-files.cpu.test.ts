// What a run's folder has for eyes: TensorBoard's event file, read by a reader written from the format; the curve; evaluations in all.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { memory, type TrainResult, train } from "../src/index.ts";
import { Curve, drawCurve, ticks } from "../src/report/curve.ts";
import { progress } from "../src/report/progress.ts";
import { crc32c, masked, record } from "../src/report/tensorboard.ts";
import { training, vectors } from "./small.ts";

/** The records of a TFRecord file; throws where a checksum is wrong. */
function recordsOf(file: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(file.readUInt32LE(at + 8)).toBe(masked(crc32c(file.subarray(at, at + 8))));
    expect(file.readUInt32LE(at + 12 + length)).toBe(masked(crc32c(data)));
    found.push(data);
    at += 16 + length;
  }
  return found;
}

/** The fields of a protocol buffer, by number, in order. */
function fieldsOf(data: Buffer): [field: number, value: number | Buffer][] {
  const found: [number, number | Buffer][] = [];
  let at = 0;
  const varint = (): number => {
    let [value, factor] = [0, 1];
    for (; ; factor *= 128) {
      const byte = data[at++]!;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  while (at < data.length) {
    const key = varint();
    const [field, wire] = [key >> 3, key & 7];
    if (wire === 0) found.push([field, varint()]);
    else {
      const size = { 1: 8, 5: 4 }[wire] ?? varint();
      const part = data.subarray(at, at + size);
      found.push([field, wire === 1 ? part.readDoubleLE() : wire === 5 ? part.readFloatLE() : part]);
      at += size;
    }
  }
  return found;
}

/** Scalars of an event: `[step, { tag: value }]`. */
function scalarsOf(event: Buffer): [step: number, values: Record<string, number>] {
  const fields = new Map(fieldsOf(event));
  const values = fieldsOf(fields.get(5) as Buffer).map(([, value]) => {
    const scalar = new Map(fieldsOf(value as Buffer));
    return [String(scalar.get(1)), scalar.get(2) as number] as const;
  });
  return [fields.get(2) as number, Object.fromEntries(values)];
}

test("CRC-32C has the check values of RFC 3720, masked as TFRecord does", () => {
  expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(masked(0)).toBe(0xa282ead8);
  expect(record(new Uint8Array(0)).subarray(0, 8)).toEqual(Buffer.alloc(8));
});

describe("the folder of a run", () => {
  const root = mkdtempSync(join(tmpdir(), "orthant-files-"));
  const home = process.cwd();
  let result: TrainResult;
  beforeAll(async () => {
    process.chdir(root);
    const evaluate = { data: vectors, every: 2, samples: 8 };
    const options = training({ run: "seen", report: ["tensorboard"], evaluate, transport: memory() });
    result = await train(options);
  });
  afterAll(() => {
    process.chdir(home);
    rmSync(root, { recursive: true });
  });

  test("TensorBoard: scalars of each step, and of evaluations", () => {
    const dir = join(root, "runs/seen");
    const [name, ...others] = readdirSync(dir).filter((file) => file.startsWith("events.out.tfevents."));
    expect(others).toEqual([]);
    const [version, ...events] = recordsOf(readFileSync(join(dir, name!)));
    expect(String(new Map(fieldsOf(version!)).get(3))).toBe("brain.Event:2");
    const scalars = events.map(scalarsOf);
    const losses = scalars.filter(([, values]) => "loss" in values);
    expect(losses.map(([step]) => step)).toEqual([1, 2, 3, 4]);
    expect(losses.map(([, { loss }]) => loss)).toEqual(result.losses.map(Math.fround));
    expect(Object.keys(losses[0]![1])).toEqual(["loss", "norm", "lr", "samplesPerSecond", "heldBytes"]);
    expect(scalars.flatMap(([step, { evaluation }]) => (evaluation === undefined ? [] : [[step, evaluation]]))).toEqual(
      result.evaluations.map(({ step, loss }) => [step + 1, Math.fround(loss)]),
    );
  });

  test("metrics.jsonl has a line an evaluation, and samples where there are no tokens", () => {
    const lines = readFileSync(join(root, "runs/seen/metrics.jsonl"), "utf8").trimEnd().split("\n").slice(1);
    const told = lines.map((line) => JSON.parse(line));
    expect(told.map(({ step, evaluation }) => (evaluation === undefined ? step : `after ${step}`))).toEqual([
      0,
      1,
      "after 1",
      2,
      3,
      "after 3",
    ]);
    expect(told[0].samplesPerSecond).toBeGreaterThan(0);
    expect(told[0].tokensPerSecond).toBe(undefined);
  });

  test("loss.svg is the curve, with a dot an evaluation", () => {
    const svg = readFileSync(join(root, "runs/seen/loss.svg"), "utf8");
    expect(svg.match(/<polyline/g)!.length).toBe(2);
    expect(svg.match(/<circle/g)!.length).toBe(2);
    expect(svg).toContain(">mlp: loss</text>");
  });
});

describe("the curve", () => {
  test("a long run keeps at most 1024 points, the mean as it was", () => {
    const curve = new Curve();
    for (let step = 1; step <= 100_000; step++) curve.add(step, step);
    const { points } = curve;
    expect(points.length).toBeLessThanOrEqual(1024);
    for (const [step, loss] of points) expect(loss).toBe(step);
  });

  test("one point, and equal losses, are drawn; what is no number is not looked at", () => {
    for (const points of [
      [[1, 2]],
      [
        [1, 2],
        [2, 2],
      ],
    ] as const)
      expect(drawCurve("a < b", points)).not.toMatch(/NaN|Infinity|a < b/);
  });

  test("lines are at round numbers", () => {
    expect(ticks(0, 10)).toEqual([0, 2, 4, 6, 8, 10]);
    expect(ticks(0.03, 0.07).length).toBeGreaterThan(2);
  });
});

test("the line of progress has the last evaluation", () => {
  let text = "";
  const out = { write: (more: string) => (text += more) };
  const line = progress({ steps: 3, speed: { count: 8, unit: "samples/s" }, out });
  const report = { loss: 1, count: 0, auxiliary: {}, norm: 1, device: 0, held: 1024, lr: 0.1, ms: 10, stop: 0 };
  line.step({ ...report, step: 0 });
  line.evaluated({ step: 0, loss: 2, samples: 8 });
  line.step({ ...report, step: 1 });
  expect(text).toContain("step 2/3  loss 1.000  eval 2.000  800 samples/s");
});
