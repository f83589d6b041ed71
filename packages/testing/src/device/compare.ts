// Runs a check on tfjs's cpu backend and on a device, from the same numbers, and tells how far apart they are. What the device is
// likely to use again is poisoned first, neighbours of inputs are watched, and inputs must stay as they were.
import { activeDevice, type DeviceChoice, useDevice } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";
import type { Check } from "./check.ts";
import { type Drawn, tensorOf } from "./draw.ts";

interface Found {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly values: Float32Array;
}

const read = async (x: tf.Tensor): Promise<Float32Array> => Float32Array.from(await x.data());

/** Runs and reads; every tensor that `run` made is gone after. */
async function outputsOf({ run }: Check, xs: readonly tf.Tensor[]): Promise<Found[]> {
  const ys = tf.tidy(() => [run(...xs)].flat());
  const found = await Promise.all(ys.map(async (y) => ({ shape: y.shape, dtype: y.dtype, values: await read(y) })));
  tf.dispose(ys);
  return found;
}

async function onCpu(check: Check): Promise<Found[]> {
  await useDevice("cpu");
  const xs = check.inputs.map(tensorOf);
  const found = await outputsOf(check, xs);
  tf.dispose(xs);
  return found;
}

/** Leaves memory of the sizes that come next full of NaN, where the device gives memory back to be used again. */
async function poison(shapes: readonly (readonly number[])[]): Promise<void> {
  const xs = shapes.flatMap((shape) => [0, 1].map(() => tf.fill([...shape], Number.NaN)));
  await Promise.all(xs.map((x) => x.data()));
  tf.dispose(xs);
}

const fence = (): Drawn => ({ values: new Float32Array(16).fill(1234.5), shape: [16], dtype: "float32" });

/** Throws where an input, or what lies beside one, is not as it was. */
async function checkKept(given: readonly Drawn[], xs: readonly tf.Tensor[]): Promise<void> {
  for (const [i, x] of xs.entries()) {
    const [now, then] = [await read(x), Float32Array.from(given[i]!.values)];
    const at = now.findIndex((value, j) => value !== then[j]);
    if (at >= 0) throw new Error(`it wrote to its input or beside it: ${then[at]} became ${now[at]}`);
  }
}

async function onDevice(check: Check, device: DeviceChoice, expected: readonly Found[]): Promise<Found[]> {
  await useDevice(device);
  const before = tf.memory().numTensors;
  await poison([...expected.map(({ shape }) => shape), ...check.inputs.map(({ shape }) => shape)]);
  const given = [fence(), ...check.inputs.flatMap((x) => [x, fence()])];
  const xs = given.map(tensorOf);
  const found = await outputsOf(
    check,
    xs.filter((_, i) => i % 2),
  );
  await checkKept(given, xs);
  tf.dispose(xs);
  const left = tf.memory().numTensors - before;
  if (left) throw new Error(`${left} tensors were left behind`);
  return found;
}

/** Root mean square under which a difference counts as if the numbers were that large: rounding of what cancels. */
const least = 0.1;

/** |found - expected| / |expected| in Euclidean norm. NaN and infinities must be at the same places. */
export function distance(found: Float32Array, expected: Float32Array): number {
  let [apart, size] = [0, 0];
  for (const [i, want] of expected.entries()) {
    const got = found[i]!;
    if (Object.is(got, want) || got === want) {
      if (Number.isFinite(want)) size += want * want;
    } else if (Number.isFinite(got) && Number.isFinite(want)) {
      apart += (got - want) ** 2;
      size += want * want;
    } else return Number.POSITIVE_INFINITY;
  }
  return Math.sqrt(apart) / Math.max(Math.sqrt(size), least * Math.sqrt(expected.length), Number.MIN_VALUE);
}

const describe = (all: readonly Found[]): string => all.map(({ shape, dtype }) => `${dtype}[${shape}]`).join(" ");

function worst(found: readonly Found[], expected: readonly Found[]): { error: number; at: number } {
  if (describe(found) !== describe(expected))
    throw new Error(`it gives ${describe(found)}, and cpu ${describe(expected)}`);
  const errors = found.map(({ values }, i) => distance(values, expected[i]!.values));
  const error = Math.max(0, ...errors);
  return { error, at: errors.indexOf(error) };
}

/** Throws where the device computes otherwise than cpu by more than `tolerance`, with the output, the shapes and the error. */
export async function compare(check: Check, device: DeviceChoice, tolerance: number): Promise<void> {
  const expected = await onCpu(check);
  const found = await onDevice(check, device, expected);
  const { error, at } = worst(found, expected);
  if (error <= tolerance) return;
  const [got, want] = [found, expected].map((all) => [...all[at]!.values.slice(0, 4)].join(", "));
  const shapes = check.inputs.map(({ shape }) => `[${shape}]`).join(" ");
  throw new Error(
    `output ${at} of ${expected.length} is ${error.toExponential(1)} from that of cpu, over ${tolerance}: ` +
      `${got}, .. in place of ${want}, ..; inputs ${shapes}, backend ${activeDevice()?.backend}`,
  );
}
