// Causal attention and its gradients by cuDNN, bf16 or fp16: the composite graphs that its fused kernels know (Dao et al. 2022). q, k, v, y
// and their gradients are read and written where they are; each row's log-sum-exp is float32 [B, H, T].
// B batch, T time, H heads, K width of one head
import type { Attention, HeadShape } from "../driver/gpu.ts";
import { type Cudnn, scalars } from "./calls.ts";
import { type Dims, Graph, type GraphTensor } from "./graph.ts";
import { launcher, type Pairs } from "./launch.ts";
import { type Planned, plansOf } from "./plans.ts";

const flip = ([a, b, c, d]: Dims): Dims => [a, b, d, c];

/** Strides of rows of q, k and v and of y, of the scores, and of a column of them. */
const layouts = ({ B, T, H, K, row }: HeadShape) => {
  const dims: Dims = [B, H, T, K];
  const strides: Dims = [T * row, K, row, 1];
  const mixed: Dims = [T * H * K, K, H * K, 1];
  const square: readonly [Dims, Dims] = [
    [B, H, T, T],
    [H * T * T, T * T, T, 1],
  ];
  const column: readonly [Dims, Dims] = [
    [B, H, T, 1],
    [H * T, T, 1, 1],
  ];
  return { dims, strides, mixed, square, column };
};

/** y = x where the row is at least the column, else `low`. */
function causal(g: Graph, x: GraphTensor, low: GraphTensor): GraphTensor {
  const row = g.pointwise("index", x, undefined, g.like(x, "i32"), { dim: 2 });
  const column = g.pointwise("index", x, undefined, g.like(x, "i32"), { dim: 3 });
  const keep = g.pointwise("atLeast", row, column, g.like(x, "bool"), { compute: "bool" });
  return g.pointwise("select", x, low, g.like(x), { by: keep });
}

/** The plan that cuDNN names first. Throws where it names none. */
function first(cudnn: Cudnn, g: Graph): Planned {
  const [plan] = plansOf(cudnn, g.finish(), 1);
  if (!plan) throw new Error("device cuda: cuDNN has no engine for attention of this shape");
  return plan;
}

function forwardGraph(cudnn: Cudnn, shape: HeadShape) {
  const g = new Graph(cudnn);
  const { type } = shape;
  const { dims, strides, mixed, square, column } = layouts(shape);
  const [q, k] = [g.tensor(dims, strides, type), g.tensor(flip(dims), flip(strides), type)];
  const [v, y] = [g.tensor(dims, strides, type), g.tensor(dims, mixed, type)];
  const lse = g.tensor(...column, "f32");
  const [scale, low] = [g.scalar(), g.scalar()];
  const score = g.multiply(q, k, g.virtual(...square));
  const seen = causal(g, g.pointwise("multiply", score, scale, g.like(score)), low);
  const top = g.reduce("max", seen, g.virtual(...column));
  const exp = g.pointwise("exp", g.pointwise("subtract", seen, top, g.like(seen)), undefined, g.like(seen));
  const sum = g.reduce("add", exp, g.virtual(...column));
  g.pointwise("add", top, g.pointwise("log", sum, undefined, g.virtual(...column)), lse);
  g.multiply(g.pointwise("divide", exp, sum, g.like(seen, type)), v, y);
  return { ...first(cudnn, g), q, k, v, y, lse, scale, low };
}

function backwardGraph(cudnn: Cudnn, shape: HeadShape, deterministic: boolean) {
  const g = new Graph(cudnn);
  const { dims, strides, mixed, square, column } = layouts(shape);
  const { T, H, K, type } = shape;
  const rows = () => g.tensor(dims, strides, type);
  const turnedRows = () => g.tensor(flip(dims), flip(strides), type);
  const [q, k, v] = [rows(), turnedRows(), turnedRows()];
  const [y, dy] = [g.tensor(dims, mixed, type), g.tensor(dims, mixed, type)];
  const lse = g.tensor(...column, "f32");
  const [scale, low, one] = [g.scalar(), g.scalar(), g.scalar()];
  const [dq, dk, dv] = [rows(), rows(), rows()];
  const [sum, sums] = [g.tensor(...column, "f32"), g.tensor(dims, [H * T * K, T * K, K, 1], "f32")];
  const big = () => g.virtual(...square);
  const turned = (x: GraphTensor) => g.reshape(x, g.virtual(square[0], [H * T * T, T * T, 1, T], type));
  const products = g.pointwise("multiply", dy, y, g.virtual(dims, [H * T * K, T * K, H * K, 1]));
  g.pointwise("multiply", g.reduce("add", products, g.virtual(...column)), one, sum);
  const score = g.pointwise("multiply", g.multiply(q, k, big()), scale, big());
  const p = g.pointwise("exp", causal(g, g.pointwise("subtract", score, lse, big()), low), undefined, big());
  g.multiply(turned(p), dy, dv);
  const slope = g.pointwise("subtract", g.multiply(dy, v, big()), sum, big());
  const dscore = g.pointwise("multiply", g.pointwise("multiply", slope, p, big()), scale, big());
  g.multiply(turned(dscore), q, dk);
  const keys = g.reshape(k, g.virtual(dims, strides, type));
  if (deterministic) g.multiply(dscore, keys, dq);
  else g.pointwise("identity", g.multiply(dscore, keys, sums), undefined, dq);
  return { ...first(cudnn, g), q, k, v, y, dy, lse, scale, low, one, dq, dk, dv, sum, sums };
}

/** Keeps what `make` made, by key. */
function keeper<K, V>(): (key: K, make: () => V) => V {
  const known = new Map<K, V>();
  return (key, make) => {
    const found = known.get(key) ?? make();
    known.set(key, found);
    return found;
  };
}

const keyOf = ({ B, T, H, K, row, type }: HeadShape): string => `${B},${T},${H},${K},${row},${type}`;

/** The graph's tensors and the addresses of the same names. */
const pairsOf = <Name extends string>(
  graph: Readonly<Record<Name, GraphTensor>>,
  addresses: Readonly<Record<Name, number>>,
  names: readonly Name[],
): Pairs => names.map((name) => [graph[name], addresses[name]] as const);

/** Plans are made once a shape: tens of milliseconds. */
export function cudnnAttention(cudnn: Cudnn, deterministic: boolean): Attention {
  const forwards = keeper<string, ReturnType<typeof forwardGraph>>();
  const backwards = keeper<string, ReturnType<typeof backwardGraph>>();
  const numbers = keeper<number, ReturnType<typeof scalars>>();
  const launch = launcher(cudnn);
  const constants = (factor: number) => {
    const [scale, low, one] = numbers(factor, () => scalars([factor, Number.NEGATIVE_INFINITY, 1])).addresses;
    return { scale: scale!, low: low!, one: one! };
  };
  return {
    forward(shape, factor, scratch, given) {
      const graph = forwards(keyOf(shape), () => forwardGraph(cudnn, shape));
      const at = { ...given, ...constants(factor) };
      launch(graph, scratch, pairsOf(graph, at, ["q", "k", "v", "y", "lse", "scale", "low"]));
    },
    backward(shape, factor, scratch, given) {
      const graph = backwards(keyOf(shape), () => backwardGraph(cudnn, shape, deterministic));
      const rows = 4 * shape.B * shape.H * shape.T;
      const [sum, sums] = [
        scratch.take(rows, "attention's row sums"),
        scratch.take(rows * shape.K, "attention's gradient"),
      ];
      const at = { ...given, ...constants(factor), sum, sums };
      const names = ["q", "k", "v", "y", "dy", "lse", "scale", "low", "one", "dq", "dk", "dv", "sum"] as const;
      launch(graph, scratch, pairsOf(graph, at, deterministic ? names : [...names, "sums"]));
      scratch.give(sum, rows);
      scratch.give(sums, rows * shape.K);
    },
  };
}
