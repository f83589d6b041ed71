// A run that saves into the folder given, and goes on from there, for the test that starts it under a limit on file sizes. Prints the
// error.
import { memory, train } from "@orthant/core";
import { zero } from "@orthant/zero";
import { training } from "../small.ts";

const [dir = "", steps = "4", background] = process.argv.slice(2);
await train({
  ...training({
    transport: memory(),
    mesh: { dp: 2 },
    strategies: [zero({ stage: 3 })],
    steps: Number(steps),
    micros: 2,
  }),
  checkpoint: { every: 2, dir, async: background === "async" },
  resume: true,
}).then(
  ({ firstStep }) => console.log(`went on from ${firstStep}`),
  (error: Error) => console.log(error.message),
);
