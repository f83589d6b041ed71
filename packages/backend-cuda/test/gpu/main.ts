// On a machine with an NVIDIA GPU: `node packages/backend-cuda/test/gpu/main.ts`. Every operation of the other tests at fp32,
// tf32 and bf16 against tfjs's cpu backend, from fresh inputs, in guarded and poisoned memory; then copies, leaks, and running
// out of memory. Prints a line a failure and a closing count; exits 1 where one failed.
import type { Precision } from "../../src/backend/backend.ts";
import { openGpu } from "../../src/driver/cuda.ts";
import { attentionOperations, longAttention } from "../kernels/attention.ts";
import { operations } from "../kernels/cases.ts";
import { useGpu, worst } from "../kernels/compare.ts";
import { convolutionOperations } from "../kernels/convolutions.ts";
import { tensor } from "../kernels/draws.ts";
import { largeOperations } from "../kernels/large.ts";
import { namedOperations, uniforms } from "../kernels/named.ts";
import { memoryChecks } from "./memory.ts";

const tolerances: Readonly<Record<Precision, number>> = { fp32: 1e-5, tf32: 2e-3, bf16: 1e-2 };
const count = { passed: 0, failed: 0 };

function check(what: string, run: () => number, most: number): void {
  try {
    const error = run();
    if (error <= most) count.passed++;
    else throw new Error(`error ${error.toExponential(2)}, and ${most} is allowed`);
  } catch (error) {
    count.failed++;
    console.log(`FAILED ${what}: ${(error as Error).message}`);
  }
}

function checkAll(what: string, all: typeof operations, most: number): void {
  for (const [name, make] of all) {
    const { inputs, run, reference = run } = make();
    const both = () =>
      worst(
        () => run(...inputs.map(tensor)),
        () => reference(...inputs.map(tensor)),
      );
    check(`${what} ${name}`, both, most);
  }
}

const attentions = [...attentionOperations, longAttention];
for (const precision of ["fp32", "tf32", "bf16"] as const) {
  useGpu({ ...openGpu({ compute: precision }), attention: undefined }, precision); // as where cuDNN is missing
  checkAll(`${precision} our own attention of`, attentions, tolerances[precision]);
  const gpu = openGpu({ compute: precision });
  const backend = useGpu(gpu, precision);
  const from = performance.now();
  checkAll(`${precision} attention of`, attentions, tolerances[precision]);
  checkAll(
    precision,
    [...operations, ...convolutionOperations, ...namedOperations, ...largeOperations],
    tolerances[precision],
  );
  check(`${precision} uniform numbers, bit by bit`, () => worst(uniforms().run), 0);
  check(`${precision} tensors left`, () => backend.numDataIds(), 0);
  console.log(`${gpu.name}, ${precision}: ${((performance.now() - from) / 1000).toFixed(1)} s`);
}
for (const [name, run] of await memoryChecks()) check(name, run, 0);
console.log(`${count.passed} passed, ${count.failed} failed`);
process.exit(count.failed ? 1 : 0);
