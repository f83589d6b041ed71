// Convolutions of float32 and their gradients by cuDNN's graphs: rows, columns, then channels; filters `[F, R, S, C]`. In TF32 but where
// products are float32. Of the plans that its heuristic names first the fastest is kept, by timing on the operands at hand.
import type { Convolution, ConvolutionShape, Scratch } from "../driver/gpu.ts";
import type { Cudnn } from "./calls.ts";
import { type Convolving, Graph, type GraphTensor } from "./graph.ts";
import { launcher, type Pairs } from "./launch.ts";
import { note, type Planned, plansOf } from "./plans.ts";

export interface Options {
  readonly kind: "tf32" | "fp32";
  /** The same bits each time: the first plan that gives them. */
  readonly deterministic: boolean;
  /** Time in ms that the GPU takes for `work`. */
  readonly measure: (work: () => unknown) => number;
}

/** Plans that are timed, and bytes of workspace that one may take. */
const [TIMED, MOST] = [5, 2 ** 30];

/** What a plan's engine must not do: every sum is one of products. */
const without = ({ kind, deterministic }: Options): number[] => [
  note.reducedSums,
  note.fft,
  note.winograd,
  ...(kind === "fp32" ? [note.tensorCore, note.downConverts] : []),
  ...(deterministic ? [note.nondeterministic] : []),
];

const keyOf = (at: ConvolutionShape): string => Object.values(at).join();

/** `[B, C, H, W]` as it lies: channels innermost. */
function image(g: Graph, B: number, C: number, [H, W]: readonly [number, number]): GraphTensor {
  return g.tensor([B, C, H, W], [H * W * C, 1, W * C, C], "f32");
}

/** A graph of one convolution with the plans worth trying. */
function planned(cudnn: Cudnn, kind: Convolving, at: ConvolutionShape, options: Options) {
  const g = new Graph(cudnn);
  const [x, y] = [image(g, at.B, at.C, at.input), image(g, at.B, at.F, at.output)];
  const filter = image(g, at.F, at.C, at.filter);
  g.convolve(kind, at, { x, filter, y });
  const plans = plansOf(cudnn, g.finish(), options.deterministic ? 1 : TIMED, without(options));
  return { x, y, filter, plans: plans.filter(({ workspace }) => workspace <= MOST) };
}

/** The fastest of some plans that run; results are written over. */
function fastest(
  plans: readonly Planned[],
  run: (plan: Planned) => void,
  measure: Options["measure"],
): Planned | undefined {
  let best: { readonly plan: Planned; readonly ms: number } | undefined;
  for (const plan of plans)
    try {
      run(plan);
      const ms = Math.min(...[1, 2, 3].map(() => measure(() => run(plan))));
      if (!best || ms < best.ms) best = { plan, ms };
    } catch {
      // an engine that was planned and does not run: the others are left
    }
  return best?.plan;
}

/** Convolutions on the stream of an open cuDNN. */
export function cudnnConvolution(cudnn: Cudnn, options: Options): Convolution {
  const launch = launcher(cudnn);
  const of = (kind: Convolving) => {
    const graphs = new Map<string, ReturnType<typeof planned>>();
    const chosen = new Map<string, Planned | undefined>();
    return (shape: ConvolutionShape, scratch: Scratch, [x, filter, y]: readonly [number, number, number]): boolean => {
      const key = keyOf(shape);
      const at = graphs.get(key) ?? planned(cudnn, kind, shape, options);
      graphs.set(key, at);
      const pairs: Pairs = [
        [at.x, x],
        [at.filter, filter],
        [at.y, y],
      ];
      const run = (plan: Planned): void => launch(plan, scratch, pairs);
      if (!chosen.has(key))
        chosen.set(key, options.deterministic ? at.plans[0] : fastest(at.plans, run, options.measure));
      const plan = chosen.get(key);
      if (plan) run(plan);
      return plan !== undefined;
    };
  };
  const [forward, inputGrad, filterGrad] = [of("forward"), of("inputGrad"), of("filterGrad")];
  return {
    forward: (shape, scratch, { x, filter, y }) => forward(shape, scratch, [x, filter, y]),
    inputGrad: (shape, scratch, { dy, filter, dx }) => inputGrad(shape, scratch, [dx, filter, dy]),
    filterGrad: (shape, scratch, { x, dy, dfilter }) => filterGrad(shape, scratch, [x, dfilter, dy]),
  };
}
