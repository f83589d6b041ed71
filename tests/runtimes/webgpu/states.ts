// What a run on the webgpu device does at its edges: memory over many steps, no room, a GPU that is lost.
import { adamw, memory, plan, type StepReport, type TrainOptions, useDevice } from "@orthant/core";
import { runRanks } from "@orthant/core/internal";
import { type Case, tinyGpt, tinySequences } from "@orthant/testing";
import * as tf from "@tensorflow/tfjs";

/** What is looked at in tfjs's backend. */
interface Seen {
  readonly device: GPUDevice;
  readonly bufferManager: {
    readonly options: { limit: number };
    readonly numBytesUsed: number;
    readonly numBytesAllocated: number;
  };
}

const backend = (): Seen => tf.backend() as unknown as Seen;

const small = { layers: 1, context: 4 } as const;

async function trained(
  steps: number,
  over: Partial<TrainOptions>,
  onStep: (report: StepReport) => void,
): Promise<void> {
  const options = {
    model: tinyGpt(small),
    data: tinySequences({ context: small.context, vocab: 12 }),
    batch: 2,
    optimizer: adamw({ lr: 1e-3 }),
    clip: 1,
    steps,
    run: false as const,
    quiet: true,
    device: "webgpu" as const,
    ...over,
  };
  await runRanks(memory(), {
    options,
    plan: await plan(options),
    events: { onStep },
    stop: new AbortController().signal,
  });
}

const refused = async (run: () => Promise<unknown>): Promise<string> =>
  run().then(
    () => "",
    (error: Error) => error.message,
  );

function expectAll(message: string, words: readonly RegExp[]): void {
  const absent = words.filter((word) => !word.test(message));
  if (absent.length) throw new Error(`"${message}" lacks ${absent.join(" and ")}`);
}

const noLeak = (steps: number): Case => ({
  name: `no tensor and no buffer more after ${steps} steps than after 20`,
  async run() {
    const seen = new Map<number, readonly [tensors: number, bytes: number]>();
    await trained(steps, {}, ({ step }) => {
      seen.set(step, [tf.memory().numTensors, backend().bufferManager.numBytesAllocated]);
    });
    const [early, late] = [seen.get(20), seen.get(steps - 1)];
    if (`${early}` !== `${late}`) throw new Error(`tensors, bytes: ${early} after 20 steps, ${late} after ${steps}`);
  },
});

const noRoom: Case = {
  name: "out of memory names the tensor, and bytes asked for, held and free",
  async run() {
    await useDevice("webgpu");
    const { options, numBytesUsed } = backend().bufferManager;
    options.limit = numBytesUsed + 2 ** 20;
    const message = await refused(async () => tf.tidy(() => tf.ones([1024, 512]).square()));
    options.limit = Number.POSITIVE_INFINITY;
    expectAll(message, [/\[1024,512\]/, /2\.0 MiB asked for/, /MiB held/, /MiB free of/]);
  },
};

const tooLarge: Case = {
  name: "a tensor larger than the GPU's largest buffer is refused with that size",
  async run() {
    await useDevice("webgpu");
    const { maxStorageBufferBindingSize } = backend().device.limits;
    const rows = maxStorageBufferBindingSize / 4096 + 1;
    const message = await refused(async () => tf.tidy(() => tf.ones([1, 1024]).tile([rows, 1])));
    expectAll(message, [new RegExp(`\\[${rows},1024\\]`), /largest buffer of this GPU/]);
  },
};

/** The last of all: nothing computes in this thread after it. */
const lost: Case = {
  name: "a GPU that is lost ends the run with an error that names the rank",
  async run() {
    const run = () =>
      trained(4, {}, ({ step }) => {
        if (step === 1) backend().device.destroy();
      });
    expectAll(await refused(run), [/rank 0/, /step [123]/, /device webgpu: .*GPU.* lost/]);
  },
};

export const stateCases = (steps: number): Case[] => [noLeak(steps), noRoom, tooLarge, lost];
