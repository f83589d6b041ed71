// Formulas in TensorFlow: all of them in one SavedModel, loaded at their first use into the backend that tfjs-node made.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type * as tf from "@tensorflow/tfjs";
import { type Formula, formulas } from "./formulas/index.ts";
import { Graph } from "./graph.ts";

/** A tensor that TensorFlow made. */
interface Made {
  readonly id: number;
}

/** What of tfjs-node's backend is used. */
export interface NodeBackend extends tf.KernelBackend {
  readonly isUsingGpuDevice: boolean;
  readonly binding: {
    readonly TF_Version: string;
    readonly TF_FLOAT: number;
    readonly TF_INT32: number;
    readonly TF_ATTR_TYPE: number;
    createTensor(shape: readonly number[], dtype: number, values: Float32Array | Int32Array): number;
    deleteTensor(id: number): void;
    executeOp(name: string, attrs: readonly object[], tensors: readonly number[], outputs: number): Made[];
    loadSavedModel(folder: string, tags: string): number;
    runSavedModel(id: number, tensors: readonly number[], inputs: string, outputs: string): Made[];
  };
  readonly tensorMap: { get(data: object): { readonly shape: readonly number[]; readonly dtype: number } | undefined };
  getInputTensorIds(xs: readonly tf.TensorInfo[]): number[];
  createOutputTensor(made: Made): tf.Tensor;
}

export type Name = keyof typeof formulas;

/** Runs one formula: tensors, then numbers, in its order. */
export type Run = (name: Name, xs: readonly tf.TensorInfo[], numbers?: readonly number[]) => tf.Tensor[];

interface Loaded {
  readonly id: number;
  readonly ends: ReadonlyMap<string, readonly [inputs: string, outputs: string]>;
}

function load({ binding }: NodeBackend): Loaded {
  const graph = new Graph();
  const ends = Object.entries(formulas).map(([name, formula]): [string, readonly [string, string]] => {
    const { inputs, outputs }: Formula = formula(graph);
    return [name, [inputs.join(), outputs.join()]];
  });
  const folder = mkdtempSync(join(tmpdir(), "orthant-"));
  writeFileSync(join(folder, "saved_model.pb"), graph.toBytes());
  const id = binding.loadSavedModel(folder, "serve");
  rmSync(folder, { recursive: true });
  return { id, ends: new Map(ends) };
}

/** Formulas on a backend, which is asked for them at the first call. */
export function session(backend: NodeBackend): Run {
  let loaded: Loaded | undefined;
  return (name, xs, numbers = []) => {
    loaded ??= load(backend);
    const { binding } = backend;
    const [inputs, outputs] = loaded.ends.get(name)!;
    const scalars = numbers.map((number) => binding.createTensor([], binding.TF_FLOAT, Float32Array.of(number)));
    try {
      const ids = [...backend.getInputTensorIds(xs), ...scalars];
      return binding.runSavedModel(loaded.id, ids, inputs, outputs).map((made) => backend.createOutputTensor(made));
    } finally {
      for (const id of scalars) binding.deleteTensor(id);
    }
  };
}
