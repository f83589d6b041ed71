// `orthant.uniform`: random numbers by counter, the same bits as those that core draws on the host.
import type { TensorInfo } from "@tensorflow/tfjs";
import type { CudaBackend } from "../backend/backend.ts";
import { uniform as source } from "../sources/random.ts";
import { blocks, collapse, sizeOf } from "./dims.ts";
import type { Attributes, Table } from "./table.ts";

/** Attributes as core gives them (core's `Counted`). */
interface Counted {
  readonly key: readonly [number, number];
  readonly from: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

function uniform(b: CudaBackend, attrs: Attributes): TensorInfo {
  const { key, from, shape, strides } = attrs as unknown as Counted;
  const y = b.output(shape, "float32");
  const n = sizeOf(shape);
  const { dims, strides: steps } = collapse({ dims: shape, strides: [strides] });
  const name = `uniform_${dims.length}`;
  const launch = b.program(name, () => source(name, dims.length));
  const walk = dims.flatMap((size, d) => [size, steps[0]![d]!]);
  if (n) launch(blocks(n, 256), 1, 256, b.address(y), n, ...key, from, ...walk);
  return y;
}

export const draws: Table = { "orthant.uniform": (b, _, attrs) => uniform(b, attrs) };
