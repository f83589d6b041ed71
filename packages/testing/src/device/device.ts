// The conformance suite of a device: what nn and tf.layers ask of one, at random shapes, against tfjs's cpu backend.
import { type DeviceChoice, memory, useDevice } from "@orthant/core";
import type { Case } from "../case.ts";
import { errorsBetween } from "../compare.ts";
import { toleranceFailures } from "../differential.ts";
import { observe } from "../observe.ts";
import { underSgd } from "../standard.ts";
import { tinyGpt, tinySequences } from "../tiny.ts";
import type { Named } from "./check.ts";
import { compare } from "./compare.ts";
import { drawing } from "./draw.ts";
import { layerChecks } from "./layers.ts";
import { namedChecks } from "./named.ts";
import { operationChecks } from "./operations.ts";

/** Options of `testDevice()`. */
export interface DeviceTest {
  /** Draws shapes and numbers. Another one each time by default, and printed with every failure. */
  readonly seed?: number;
  /** Largest distance from cpu, relative, in Euclidean norm: 1e-4 by default; a device that multiplies in fewer bits has its own. */
  readonly tolerance?: number;
  /** How often each check is drawn: 1 by default. */
  readonly times?: number;
}

const everything: readonly Named[] = [...operationChecks, ...namedChecks, ...layerChecks];

/** Trains a GPT on both: losses, every gradient, parameters, and no tensor more from step to step. */
async function trains(device: DeviceChoice, tolerance: number): Promise<void> {
  const options = {
    ...underSgd(),
    model: tinyGpt(),
    data: tinySequences(),
    batch: 4,
    steps: 3,
    run: false as const,
    quiet: true,
  };
  const expected = await observe({ ...options, device: "cpu" }, memory());
  const found = await observe({ ...options, device }, memory());
  const failures = toleranceFailures(errorsBetween(found, expected), tolerance, false);
  const [first = 0, ...rest] = found.tensors.slice(1);
  if (rest.some((count) => count !== first)) failures.push(`tensors from step to step: ${found.tensors.join(", ")}`);
  if (found.leaked) failures.push(`${found.leaked} tensors were left behind`);
  if (failures.length) throw new Error(failures.join("\n"));
}

/** Runs with the seed in whatever it throws. */
const seeded = (seed: number, { name, run }: Case): Case => ({
  name,
  async run() {
    try {
      await run();
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
    }
  },
});

/**
 * Checks a device: operations of tfjs and their gradients, every kernel by name, every kind of layer of tf.layers, each at shapes
 * drawn by a seed, against tfjs's cpu backend; memory that a kernel did not write is poisoned, neighbours and inputs must stay as they
 * are, and no tensor be left behind; then a GPT trains. Run a failure again with the seed that it names.
 */
export function testDevice(
  device: DeviceChoice,
  { seed = Math.floor(Math.random() * 1e6), tolerance = 1e-4, times = 1 }: DeviceTest = {},
): Case[] {
  const starts: Case = { name: `starts, seed ${seed}`, run: async () => void (await useDevice(device)) };
  const draws = Array.from({ length: times }, (_, i) => seed + i);
  const checks = draws.flatMap((at) =>
    everything.map(([name, make]): Case => {
      const run = () => compare(make(drawing(at, name)), device, tolerance);
      return seeded(at, { name: times > 1 ? `${name}, seed ${at}` : name, run });
    }),
  );
  return [starts, ...checks, { name: "a GPT trains", run: () => trains(device, tolerance) }];
}
