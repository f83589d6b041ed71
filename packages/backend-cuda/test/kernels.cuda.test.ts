// What the kernels compute, run on the CPU behind an emulator of CUDA: against tfjs's cpu backend, from fresh inputs.
import { afterAll, expect, test } from "vitest";
import { emulatedGpu } from "./emulator/gpu.ts";
import { operations } from "./kernels/cases.ts";
import { useGpu, worst } from "./kernels/compare.ts";
import { convolutionOperations } from "./kernels/convolutions.ts";
import { tensor } from "./kernels/draws.ts";
import { namedOperations, uniforms } from "./kernels/named.ts";

const backend = useGpu(emulatedGpu());

test.each([...operations, ...convolutionOperations, ...namedOperations])(
  "%s is what the cpu backend gives",
  (_, make) => {
    const { inputs, run, reference = run } = make();
    expect(
      worst(
        () => run(...inputs.map(tensor)),
        () => reference(...inputs.map(tensor)),
      ),
    ).toBeLessThan(1e-5);
  },
);

test("uniform numbers are the host's, bit by bit", () => expect(worst(uniforms().run)).toBe(0));

afterAll(() => expect(backend.numDataIds()).toBe(0));
