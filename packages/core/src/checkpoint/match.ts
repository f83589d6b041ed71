// Whether a run can go on from a checkpoint: the model, the optimizer and the samples must be those that it is of. The mesh, the
// strategies and the transport need not. Pure.
import type { JobOptions } from "../plan/options.ts";
import type { Plan } from "../plan/plan.ts";
import type { Found } from "./folder.ts";
import type { StoredTensor } from "./state.ts";

const showShape = (shape: readonly number[]): string => `[${shape.join(", ")}]`;

/** Throws an error that names what differs. */
export function checkMatch({ path, state }: Found, options: JobOptions, plan: Plan): void {
  const stored = new Map(state.tensors.map((tensor) => [tensor.name, tensor]));
  for (const { name, shape } of plan.specs) {
    const fault = faultOf(stored.get(name), shape);
    if (fault) throw new Error(`${path} is of another model: tensor ${name} ${fault}`);
    stored.delete(name);
  }
  const [extra] = stored.keys();
  if (extra !== undefined) throw new Error(`${path} is of another model: it has tensor ${extra}, and the model none`);
  if (state.step === 0) return; // weights alone: what follows is this run's own
  checkOptimizer({ path, state }, options);
  const { seed = 0, batch } = options;
  for (const [name, was, is] of [
    ["seed", state.seed, seed],
    ["batch", state.batch, batch],
  ] as const)
    if (was !== is)
      throw new Error(
        `${path} was written with ${name} ${was}, and this run has ${name} ${is}: after ${state.step} steps its samples would be ` +
          `others; give ${name}: ${was}`,
      );
}

function faultOf(stored: StoredTensor | undefined, shape: readonly number[]): string | undefined {
  if (!stored) return "is not in it";
  if (showShape(stored.shape) === showShape(shape)) return undefined;
  return `is ${showShape(stored.shape)} there, and ${showShape(shape)} in the model`;
}

function checkOptimizer({ path, state }: Found, { optimizer }: JobOptions): void {
  const { name, slots } = state.optimizer;
  if (name === optimizer.name && slots === optimizer.slots) return;
  throw new Error(
    `${path} has the state of optimizer ${name}, ${slots} tensors a parameter, and this run's is ${optimizer.name}, with ` +
      `${optimizer.slots}: give the optimizer that it was trained with`,
  );
}
