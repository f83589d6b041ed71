// `npm run bench -- wire`: the tiny GPT of the tests over 200 steps on 4 ranks, for each stage and wire precision: final loss,
// the largest distance of the loss curve from that of float32, bytes sent against float32's.
// Ends with 1 where a distance is over its bound.
import { lossError, observe } from "@orthant/testing";
import { wireJob } from "../packages/zero/test/wire-job.ts";

const steps = Number(process.env.STEPS ?? 200);

/** The most that a loss may differ from float32's, relative, at any step. */
const bounds = { f32: 0, bf16: 0.02, int8: 0.1 } as const;

let met = true;
console.log(`${steps} steps of the tiny GPT, dp 4: losses against wire f32`);
console.log("stage  wire   first loss  last loss  largest distance      bound   bytes sent, of f32");
for (const stage of [0, 1, 2, 3] as const) {
  const exact = await observe(wireJob(4, { stage }, steps));
  for (const wire of ["f32", "bf16", "int8"] as const) {
    const { losses, sent } = wire === "f32" ? exact : await observe(wireJob(4, { stage, wire }, steps));
    const distance = lossError(losses, exact.losses);
    met &&= distance <= bounds[wire];
    const cells = [losses[0]!.toFixed(4), losses.at(-1)!.toFixed(4), `${(100 * distance).toFixed(3)} %`];
    const verdict = distance <= bounds[wire] ? "meets" : "MISSES";
    const bytes = `${sent.dp} ${(sent.dp! / exact.sent.dp!).toFixed(3)}`;
    console.log(
      `${stage}      ${wire.padEnd(5)} ${cells.map((cell) => cell.padStart(11)).join("")}  ${verdict} ${100 * bounds[wire]} %  ${bytes}`,
    );
  }
}
process.exitCode = met ? 0 : 1;
