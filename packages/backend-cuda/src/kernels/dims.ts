// Shapes as strides: how one index over an output becomes an address in each operand, over as few dims as can be.

/** An index space and, for each operand, how far one step along each dim goes in its elements. */
export interface Walk {
  readonly dims: readonly number[];
  readonly strides: readonly (readonly number[])[];
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Strides of a row-major tensor, in elements. */
export function rowMajor(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= shape[i]!;
  }
  return strides;
}

/** Strides of a tensor seen under a shape that it broadcasts to: 0 where its one element serves for all. */
export function broadcastStrides(shape: readonly number[], to: readonly number[]): number[] {
  const [own, lead] = [rowMajor(shape), to.length - shape.length];
  return to.map((_, i) => (i < lead || shape[i - lead] === 1 ? 0 : own[i - lead]!));
}

/** The same walk with dims of 1 left out, and neighbours joined that every operand walks as one. */
export function collapse({ dims, strides }: Walk): Walk {
  const kept: number[] = [];
  const steps: number[][] = strides.map(() => []);
  for (let i = 0; i < dims.length; i++) {
    if (dims[i] === 1) continue;
    const joins = kept.length > 0 && strides.every((each, o) => steps[o]!.at(-1) === each[i]! * dims[i]!);
    if (joins) kept[kept.length - 1]! *= dims[i]!;
    else kept.push(dims[i]!);
    for (const [o, each] of strides.entries())
      if (joins) steps[o]![kept.length - 1] = each[i]!;
      else steps[o]!.push(each[i]!);
  }
  return kept.length ? { dims: kept, strides: steps } : { dims: [1], strides: strides.map(() => [0]) };
}

/** Blocks of `threads` that cover `n`. */
export const blocks = (n: number, threads: number): number => Math.max(1, Math.ceil(n / threads));
