// Matrix products of every form that tfjs asks wasm for, brought to the forms that are fast there (matmul.ts), with the shapes
// checked: tfjs leaves that to the kernel.
// M, K, N rows, shared and columns of a product; P number of products in a batch
import * as tf from "@tensorflow/tfjs";
import { integerProducts } from "./integers.ts";
import { products, transposed } from "./matmul.ts";
import type { Attrs, Replacement } from "./replacement.ts";

const matrices = (x: tf.Tensor, flip: unknown): tf.Tensor => {
  const each = x.reshape([-1, ...x.shape.slice(-2)]);
  return flip ? transposed(each) : each;
};

/** Throws where the shared dims of a product differ. */
function checkShared(a: tf.Tensor, b: tf.Tensor, { transposeA, transposeB }: Attrs): void {
  const [left, right] = [a.shape.at(transposeA ? -2 : -1), b.shape.at(transposeB ? -1 : -2)];
  if (left === right) return;
  const show = ({ shape }: tf.Tensor, flip: unknown) => `[${shape}]${flip ? " transposed" : ""}`;
  throw new Error(
    `matMul of ${show(a, transposeA)} and ${show(b, transposeB)}: the left has ${left} columns and the right ${right} rows, ` +
      "which must be one number",
  );
}

/** `[1, K] [K, N]` as `[2, K] [K, N]`: the stock kernel has crashed with one row. */
const oneRow = (a: tf.Tensor, b: tf.Tensor): tf.Tensor =>
  tf
    .matMul(tf.concat([a, a], -2), b)
    .reshape([2, -1])
    .slice([0, 0], [1, -1]);

/** Transposes first, and takes the products of a batch one by one: the stock kernel is 6 to 40 times slower at both. */
export const batchMatMul: Replacement = ({ a, b }, attrs, stock) => {
  const [left, right, { transposeA, transposeB }] = [a!, b!, attrs];
  checkShared(left, right, attrs);
  if (left.dtype === "int32" && right.dtype === "int32") return integerProducts(left, right, attrs);
  const outer = left.shape.slice(0, -2);
  const alike = tf.util.arraysEqual(outer, right.shape.slice(0, -2)) && left.size * right.size > 0;
  if (!alike || left.dtype !== "float32" || right.dtype !== "float32") return stock();
  const alone = tf.util.sizeFromShape(outer) === 1;
  const rows = left.shape.at(transposeA ? -1 : -2)!;
  if (alone && rows > 1 && !transposeA && !transposeB) return stock();
  return tf.tidy(() => {
    const [x, y] = [matrices(left, transposeA), matrices(right, transposeB)];
    const product = rows === 1 ? oneRow : tf.matMul;
    return (alone ? product(x, y) : products(x, y)).reshape([...outer, rows, y.shape[2]!]);
  });
};

/** A bias as the stock kernels take it, `[D]`, in a tensor of its own: they look at the shape under which it was made, not at the present one. */
export const rowBias = (bias: tf.Tensor, D: number): tf.Tensor =>
  bias.size === D || bias.size === 1 ? tf.tidy(() => tf.zeros([D]).add(bias.flatten())) : bias.add(0);

/** A bias of its own, and one row as two, as above. */
export const fusedMatMul: Replacement = ({ a, bias, ...inputs }, { transposeA, transposeB }, stock) => {
  const single = a!.size > 0 && !transposeA && a!.shape.at(-2) === 1 && a!.rank === 3 && a!.shape[0] === 1;
  const own = bias && { bias: rowBias(bias, inputs.b!.shape.at(transposeB ? -2 : -1)!) };
  const given = { ...inputs, a: single ? tf.concat([a!, a!], 1) : a!, ...own };
  const y = tf.engine().makeTensorFromTensorInfo(stock(given) as tf.TensorInfo);
  tf.dispose([...(single ? [given.a] : []), ...(own ? [own.bias] : [])]);
  if (!single) return y;
  const row = y.slice([0, 0, 0], [1, 1, -1]);
  y.dispose();
  return row;
};
