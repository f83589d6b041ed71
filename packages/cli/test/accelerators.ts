// The script that the test of devices launches: a device of its own says which accelerator of the machine it was given.
import { type Device, sgd, threads, train } from "@orthant/core";
import { arrays, mlp } from "@orthant/nn";
import { zero } from "@orthant/zero";

const device: Device = {
  name: "numbered",
  async start({ localRank }) {
    console.log(`accelerator ${localRank}, ${process.env.ORTHANT_DEVICE}`);
    return { backend: "cpu" };
  },
};

await train({
  model: mlp({ inputs: 1, outputs: 1, layers: 1, width: 4 }),
  data: arrays({ inputs: [[0], [1]], targets: [[0], [1]] }),
  batch: 2,
  mesh: { dp: 2 },
  strategies: [zero({ stage: 0 })],
  optimizer: sgd({ lr: 0.1 }),
  steps: 1,
  transport: threads({ workers: 2 }),
  device,
  run: false,
  quiet: true,
});
