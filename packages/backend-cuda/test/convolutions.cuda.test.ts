// Convolutions where a library does them: what it is handed and what becomes of its results, against tfjs's cpu backend.
import { afterAll, expect, test } from "vitest";
import { naiveConvolution } from "./emulator/convolution.ts";
import { emulatedGpu } from "./emulator/gpu.ts";
import { useGpu, worst } from "./kernels/compare.ts";
import { convolutionOperations } from "./kernels/convolutions.ts";
import { tensor } from "./kernels/draws.ts";

const asked: string[] = [];
const { forward, inputGrad, filterGrad } = naiveConvolution;
const convolution: typeof naiveConvolution = {
  forward: (...args) => asked.push("forward") > 0 && forward(...args),
  inputGrad: (...args) => asked.push("inputGrad") > 0 && inputGrad(...args),
  filterGrad: (shape, ...args) => asked.push("filterGrad") > 0 && shape.C !== 3 && filterGrad(shape, ...args), // and where it has none
};
const backend = useGpu({ ...emulatedGpu(), convolution });

test.each(convolutionOperations)("%s is what the cpu backend gives", (_, make) => {
  const { inputs, run } = make();
  const result = () => run(...inputs.map(tensor));
  expect(worst(result, result)).toBeLessThan(1e-5);
});

afterAll(() => {
  expect(new Set(asked)).toEqual(new Set(["forward", "inputGrad", "filterGrad"]));
  expect(backend.numDataIds()).toBe(0);
});
