// Reverse accumulation over tfjs's tape, for some of the inputs now and for others later: what the first part has computed and a
// later one will read is kept in between. No part computes what another has.
import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import { view } from "../../devices/view.ts";

/** One operation on tfjs's tape. */
export interface TapeNode {
  readonly kernelName: string;
  readonly inputs: Record<string, Tensor>;
  readonly outputs: readonly Tensor[];
  /** `all`: every gradient will be called, and none later. */
  readonly gradient?: (dys: (Tensor | undefined)[], all?: boolean) => Record<string, () => Tensor>;
  saved?: (Tensor | undefined)[];
}

/** Ids of the tensors that depend on one of `from` and lead to `to`. */
function onPath(nodes: readonly TapeNode[], from: readonly number[], to: number): Set<number> {
  const reached = new Set(from);
  for (const { inputs, outputs } of nodes)
    if (Object.values(inputs).some((t) => reached.has(t.id))) for (const t of outputs) reached.add(t.id);
  const path = new Set([to]);
  for (const { inputs, outputs } of nodes.toReversed())
    if (outputs.some((t) => path.has(t.id)))
      for (const t of Object.values(inputs)) if (reached.has(t.id)) path.add(t.id);
  return path;
}

function gradientOf({ gradient, kernelName }: TapeNode, dys: (Tensor | undefined)[], all = false) {
  if (!gradient) throw new Error(`operation ${kernelName} of this segment has no gradient in tfjs`);
  return gradient(dys, all);
}

interface Engine {
  /** Gives out an id: tensors made from now on have larger ones. */
  nextTensorId(): number;
}

/** A tensor of its own where the gradient is held by others, too: kept for later, made before, or given already. */
const sharedIf = (g: Tensor | undefined, held: (g: Tensor) => boolean): Tensor | undefined =>
  g && held(g) ? view(g) : g;

/** Gradients of a tape's output by tensors of the tape, all known by id. */
export class Reverse {
  readonly #nodes: readonly TapeNode[];
  readonly #y: number;
  /** Tensors whose gradient is complete. */
  readonly #done = new Set<number>();
  /** Complete gradients that a later part reads. */
  #kept = new Map<number, Tensor>();

  constructor(nodes: readonly TapeNode[], y: number) {
    this.#nodes = nodes;
    this.#y = y;
  }

  /** The tensors kept for a later part. */
  get kept(): readonly Tensor[] {
    return [...this.#kept.values()];
  }

  /**
   * The gradients by `wanted`, new tensors, undefined where the output does not depend on one; keeps what `later` will need. Call it
   * inside `tf.tidy`.
   */
  part(dy: Tensor, wanted: readonly number[], later: readonly number[]): (Tensor | undefined)[] {
    const first = (tf.engine() as unknown as Engine).nextTensorId();
    const found = this.#isOne ? this.#ofOne(dy, wanted, later) : this.#ofAll(dy, wanted, later);
    return found
      .map((each) => sharedIf(each, (g) => g.kept || g.id < first))
      .map((each, i, all) => sharedIf(each, (g) => all.indexOf(g) < i));
  }

  /** Whether the tape is one operation, as every segment with gradients written by hand is. */
  get #isOne(): boolean {
    const [node, ...others] = this.#nodes;
    return others.length === 0 && node?.outputs.length === 1 && node.outputs[0]!.id === this.#y;
  }

  /** The gradients of one operation: no paths, no sums. */
  #ofOne(dy: Tensor, wanted: readonly number[], later: readonly number[]): (Tensor | undefined)[] {
    const [node] = this.#nodes as [TapeNode];
    const kept = this.#kept.get(this.#y);
    const { inputs } = node;
    const all = Object.keys(inputs);
    const names = wanted.map((id) => all.find((name) => inputs[name]!.id === id));
    const whole = !kept && all.every((name) => names.includes(name));
    const thunks = names.some((name) => name !== undefined) ? gradientOf(node, [kept ?? dy], whole) : {};
    const found = names.map((name) => (name === undefined ? undefined : thunks[name]!()));
    if (later.length && !kept) this.#kept.set(this.#y, tf.keep(view(dy)));
    return found;
  }

  #ofAll(dy: Tensor, wanted: readonly number[], later: readonly number[]): (Tensor | undefined)[] {
    const path = onPath(this.#nodes, wanted, this.#y);
    const grads = new Map(this.#kept);
    if (!this.#done.has(this.#y)) grads.set(this.#y, view(dy));
    for (const node of this.#nodes.toReversed()) this.#through(node, path, grads);
    const found = wanted.map((id) => grads.get(id));
    for (const id of path) this.#done.add(id);
    this.#keep(grads, later);
    return found;
  }

  /** Adds what one operation contributes to the gradients of its inputs. */
  #through(node: TapeNode, path: ReadonlySet<number>, grads: Map<number, Tensor>): void {
    const wanted = Object.entries(node.inputs).filter(([, t]) => path.has(t.id) && !this.#done.has(t.id));
    const dys = node.outputs.map((t) => grads.get(t.id));
    if (!wanted.length || dys.every((dy) => !dy)) return;
    const thunks = gradientOf(node, dys);
    for (const [name, t] of wanted) {
      const dx = tf.tidy(() => thunks[name]!()); // it may be one that the operation saved, or `dy` itself
      const seen = grads.get(t.id);
      grads.set(t.id, seen ? tf.add(seen, dx) : dx);
    }
  }

  /** Keeps the gradients from which those by `later` start, and no others. */
  #keep(grads: ReadonlyMap<number, Tensor>, later: readonly number[]): void {
    const path = onPath(this.#nodes, later, this.#y);
    const starts = this.#nodes
      .filter(({ inputs }) => Object.values(inputs).some((t) => path.has(t.id) && !this.#done.has(t.id)))
      .flatMap(({ outputs }) => outputs.map((t) => t.id));
    const before = this.kept;
    this.#kept = new Map(starts.filter((id) => grads.has(id)).map((id) => [id, tf.keep(grads.get(id)!)]));
    const after = new Set(this.kept);
    for (const t of before) if (!after.has(t)) t.dispose();
  }

  /** Frees what is kept. */
  drop(): void {
    tf.dispose(this.kept as Tensor[]);
    this.#kept.clear();
  }
}
