// tfjs's pooling over `[B, H, W, C]`, and its gradients.
import { averageGrad, largestGrad, largestGradApart, pool } from "../../sources/convolution.ts";
import { blocks, sizeOf } from "../dims.ts";
import { storedAs } from "../moves.ts";
import type { Compute, Table } from "../table.ts";
import { type Geometry, pooling, windowOf } from "./geometry.ts";

const pooled =
  (kind: "max" | "avg"): Compute =>
  (b, { x }, attrs) => {
    const at = pooling(x!.shape, attrs);
    const { stored } = b.entry(x!.dataId);
    const y = b.output(at.outShape, x!.dtype, stored);
    const [name, n] = [`pool_${kind}_${stored}`, sizeOf(at.outShape)];
    const launch = b.program(name, () => pool(name, stored, kind));
    if (n) launch(blocks(n, 256), 1, 256, b.address(x!), b.address(y), n, ...windowOf(at));
    return y;
  };

const averagePoolGrad: Compute = (b, { dy, input }, attrs) => {
  const at = pooling(input!.shape, attrs);
  const { stored } = b.entry(dy!.dataId);
  const dx = b.output(input!.shape, "float32", stored);
  const [name, n] = [`averageGrad_${stored}`, sizeOf(input!.shape)];
  const launch = b.program(name, () => averageGrad(name, stored));
  if (n) launch(blocks(n, 256), 1, 256, b.address(dy!), b.address(dx), n, ...windowOf(at));
  return dx;
};

/** Whether windows lie side by side and cover the input. */
const apart = (at: Geometry): boolean =>
  at.strideHeight === at.filterHeight &&
  at.strideWidth === at.filterWidth &&
  at.outHeight * at.filterHeight === at.inHeight &&
  at.outWidth * at.filterWidth === at.inWidth;

const largestPoolGrad: Compute = (b, { dy, input }, attrs) => {
  const at = pooling(input!.shape, attrs);
  const x = input!.dtype === "float32" ? b.share(input!) : storedAs(b, input!, "f32");
  const [from, of] = [b.entry(x.dataId).stored, b.entry(dy!.dataId).stored];
  const dx = b.output(input!.shape, "float32", of);
  const wide = at.inChannels % 4 === 0 ? 4 : 1;
  const [kind, make, n] = apart(at)
    ? [`Apart${wide}`, (name: string) => largestGradApart(name, from, of, wide), sizeOf(at.outShape) / wide]
    : ["", (name: string) => largestGrad(name, from, of), sizeOf(input!.shape)];
  const name = `largestGrad${kind}_${from}_${of}`;
  const launch = b.program(name, () => make(name));
  if (n) launch(blocks(n, 256), 1, 256, b.address(x), b.address(dy!), b.address(dx), n, ...windowOf(at));
  b.release(x);
  return dx;
};

export const pools: Table = {
  AvgPool: pooled("avg"),
  AvgPoolGrad: averagePoolGrad,
  MaxPool: pooled("max"),
  MaxPoolGrad: largestPoolGrad,
};
