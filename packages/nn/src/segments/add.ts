// The end of a residual branch that has no output bias: the stream plus the branch.
import { differentiable, type Everywhere, elements, type Segment, segment } from "@orthant/core";

/** `stream + branch`, two tensors of one shape. Has no parameters; keeps nothing. */
export const add: Segment<Everywhere, Everywhere> = segment({
  name: "add",
  params: [],
  reads: [false, false],
  run: (_, stream, branch) =>
    differentiable({
      inputs: [stream!, branch!],
      forward: () => stream!.add(branch!),
      backward: (dy) => [() => dy.clone(), () => dy.clone()],
    }),
  shape: (_, x = []) => ({ shape: x, flops: elements(x), kept: 0 }),
});
