// Tensor parallelism (Shoeybi et al.: Megatron-LM, 2019): attention by heads, the MLP by hidden units. A weight whose
// output is cut is split by columns, one whose input is cut by rows; the layers' `enter` and `leave` do the rest.
import { axisSize, type CostInput, type Move, meshSize, type Strategy, transitions } from "@orthant/core";

/** Parameters whose name ends in `ends` are cut along `dim`. */
export interface Rule {
  readonly ends: string;
  readonly dim: number;
}

/** For @orthant/nn's layers: query, key and value [D, H, K] by heads, out [H, K, D] by heads, up [D, F], down [F, D]. */
export const rules: readonly Rule[] = [
  { ends: "attn.query", dim: 1 },
  { ends: "attn.key", dim: 1 },
  { ends: "attn.value", dim: 1 },
  { ends: "attn.out", dim: 0 },
  { ends: "mlp.up", dim: 1 },
  { ends: "mlp.upBias", dim: 0 },
  { ends: "mlp.down", dim: 0 },
];

/** Owns axis `tp`. `rules` replaces the built-in ones, for layers of your own. */
export const tensorParallel = (options: { readonly rules?: readonly Rule[] } = {}): Strategy => ({
  name: "tensorParallel",
  axis: "tp",
  split(param) {
    const rule = (options.rules ?? rules).find(({ ends }) => param.name.endsWith(`.${ends}`));
    return rule ? { ...param, split: { ...param.split, tp: rule.dim } } : param;
  },
  cost,
});

/** Elements a rank sends for a collective of `elements` among `members`. */
function sentBy(op: (typeof transitions)[Move["transition"]], elements: number, members: number): number {
  if (op === "identity") return 0;
  if (op === "allGather") return elements * (members - 1);
  return ((op === "allReduce" ? 2 : 1) * elements * (members - 1)) / members;
}

/** Bytes of every `enter` and `leave`, forward and backward, of all micros on all ranks; float32. */
function cost({ model, schedule }: CostInput) {
  const { mesh, layers } = model;
  const members = axisSize(mesh, "tp");
  const micros = schedule.flat().filter((a) => a.op === "F" && a.stage === 0).length;
  const perMicro = layers
    .flatMap(({ moves }) => moves)
    .filter(({ axis }) => axis === "tp")
    .reduce((sum, move) => sum + moved(move, members), 0);
  return { sent: (4 * perMicro * micros * meshSize(mesh)) / axisSize(mesh, "pp") };
}

/** Forward and backward of one move: the backward is the adjoint transition, on the output's size. */
function moved({ transition, elements }: Move, members: number): number {
  const there = sentBy(transitions[transition], elements, members);
  if (transition === "I->R") return sentBy("allReduce", elements, members);
  if (transition === "V->R") return there + sentBy("reduceScatter", elements * members, members);
  if (transition === "P->V") return there + sentBy("allGather", elements / members, members);
  return there;
}
