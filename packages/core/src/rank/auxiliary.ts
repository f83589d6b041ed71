// The losses that layers add beside the model's own (a router's balance, a penalty), of one micro. The tape owns the tensors.
import type { Tensor } from "@tensorflow/tfjs";

export class AuxiliaryLosses {
  readonly #all: { readonly name: string; readonly sum: Tensor }[] = [];

  /** Adds a loss, a scalar summed over samples. Throws where it is no scalar. */
  add(name: string, sum: Tensor): void {
    if (sum.size !== 1)
      throw new Error(`addLoss("${name}"): give a scalar, the sum over samples, not [${sum.shape.join(", ")}]`);
    this.#all.push({ name, sum });
  }

  get sums(): readonly Tensor[] {
    return this.#all.map(({ sum }) => sum);
  }

  /** Reads the values, those of one name added up. */
  async read(): Promise<Map<string, number>> {
    const totals = new Map<string, number>();
    for (const { name, sum } of this.#all) totals.set(name, (totals.get(name) ?? 0) + (await sum.data())[0]!);
    return totals;
  }
}
