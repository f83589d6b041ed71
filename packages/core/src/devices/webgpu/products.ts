// tfjs's own names for matrix products, computed by matmul.ts where both sides are plain float32 matrices of one batch; what is
// unlike that, or does not fit, is tfjs's to compute or to refuse.
import type { KernelConfig, KernelFunc, TensorInfo } from "@tensorflow/tfjs";
import { _FusedMatMul, BatchMatMul, getKernel, util } from "@tensorflow/tfjs";
import type { Backend } from "./backend.ts";
import { multiply } from "./matmul.ts";

interface Flags {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly activation?: string | null;
}

type Given = Readonly<Record<"a" | "b", TensorInfo>> & Partial<Record<"bias" | "preluActivationWeights", TensorInfo>>;

function fits({ a, b, bias, preluActivationWeights }: Given, { transposeA, transposeB, activation }: Flags): boolean {
  const [outer, shared] = [a.shape.slice(0, -2), a.shape.at(transposeA ? -2 : -1)];
  const N = b.shape.at(transposeB ? -2 : -1)!;
  const plain = [a, b, bias ?? a].every(({ dtype }) => dtype === "float32");
  return (
    plain &&
    !preluActivationWeights &&
    (!activation || activation === "linear") &&
    (!bias || (util.sizeFromShape(bias.shape) === N && bias.shape.at(-1) === N)) &&
    shared === b.shape.at(transposeB ? -1 : -2) &&
    util.arraysEqual(outer, b.shape.slice(0, -2)) &&
    util.sizeFromShape(a.shape) * util.sizeFromShape(b.shape) > 0
  );
}

function product(on: Backend, { a, b, bias }: Given, { transposeA, transposeB }: Flags): TensorInfo {
  const outer = a.shape.slice(0, -2);
  const [M, K] = [a.shape.at(transposeA ? -1 : -2)!, a.shape.at(transposeA ? -2 : -1)!];
  const N = b.shape.at(transposeB ? -2 : -1)!;
  const which = { transposeA, transposeB, bias: Boolean(bias) };
  const sizes = { P: util.sizeFromShape(outer), M, N, K };
  return multiply(on, bias ? [a, b, bias] : [a, b], which, sizes, [...outer, M, N]);
}

/** A kernel of this file, as registered. */
interface Replaced extends KernelConfig {
  readonly replaces: true;
}

function replace(kernelName: string): Replaced[] {
  const stock = getKernel(kernelName, "webgpu") as KernelConfig | Replaced;
  if ("replaces" in stock) return [];
  const kernelFunc: KernelFunc = (call) => {
    const [inputs, flags] = [call.inputs as unknown as Given, call.attrs as unknown as Flags];
    return fits(inputs, flags) ? product(call.backend as Backend, inputs, flags) : stock.kernelFunc(call);
  };
  return [{ ...stock, kernelFunc, replaces: true }];
}

/** Replacements of tfjs's kernels; none where they are there already. */
export const products = (): KernelConfig[] => [BatchMatMul, _FusedMatMul].flatMap(replace);
