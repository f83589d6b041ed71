// When stage 3 gathers which parameters, and when it frees them: worked out from the order in which a step will acquire them,
// for the store to follow and for `cost` to price. Pure; knows no tensors.
import type { Acquire, ParamSpec } from "@orthant/core";

export interface GatherOptions {
  /** "segment" frees parameters after each use; "micro" keeps those of a micro's forward until its backward is done. */
  readonly keep: "segment" | "micro";
  /** Neighbouring acquires are gathered in one message until their parameters have this many bytes. */
  readonly bucketBytes: number;
  /** Buckets that are gathered ahead of the one in use. */
  readonly prefetch: number;
  /** Elements of the whole parameter; 0 for one that is not sharded. */
  size(spec: ParamSpec): number;
  /** Elements that a rank holds while it is gathered, where these are others. */
  held?(spec: ParamSpec): number;
}

/** What to do around each acquire of a step. */
export interface GatherStep {
  /** Gathers to start before it, each one message. */
  readonly start: readonly (readonly ParamSpec[])[];
  /** Parameters that nothing needs any more once it is released. */
  readonly free: readonly string[];
}

export interface GatherPlan {
  /** One entry an acquire, in order. */
  readonly steps: readonly GatherStep[];
  /** What the store inside is asked for, in order: each gather's chunks, and parameters that are not sharded. */
  readonly asks: readonly Acquire[];
  /** The most elements that are gathered at once. */
  readonly peak: number;
}

/** Acquires that are gathered together: neighbours of one action. */
interface Bucket {
  readonly first: number;
  readonly last: number;
  readonly action: Acquire;
  readonly params: readonly ParamSpec[];
}

const sameAction = (a: Acquire, b: Acquire): boolean => a.op === b.op && a.stage === b.stage && a.micro === b.micro;

const sum = (params: readonly ParamSpec[], size: (spec: ParamSpec) => number): number =>
  params.reduce((total, spec) => total + size(spec), 0);

function bucketsOf(acquires: readonly Acquire[], { bucketBytes, size }: GatherOptions): Bucket[] {
  const buckets: Bucket[] = [];
  for (const [at, action] of acquires.entries()) {
    const sharded = action.params.filter((spec) => size(spec) > 0);
    const open = buckets.at(-1);
    const joined = [...new Set([...(open?.params ?? []), ...sharded])];
    const fits = open && sameAction(open.action, action) && 4 * sum(joined, size) <= bucketBytes;
    if (fits) buckets[buckets.length - 1] = { ...open, last: at, params: joined };
    else buckets.push({ first: at, last: at, action, params: [...new Set(sharded)] });
  }
  return buckets;
}

/** Who still needs a parameter: buckets by number, and under "micro" the microbatches between forward and backward. */
class Holders {
  readonly #of = new Map<ParamSpec, Set<string>>();
  readonly #size: GatherOptions["size"];
  held = 0;
  peak = 0;

  constructor(size: GatherOptions["size"]) {
    this.#size = size;
  }

  /** Adds a holder to each; the parameters that nobody held are to be gathered. */
  hold(params: readonly ParamSpec[], holder: string): ParamSpec[] {
    const missing = params.filter((spec) => !this.#of.has(spec));
    for (const spec of missing) this.#of.set(spec, new Set());
    for (const spec of params) this.#of.get(spec)!.add(holder);
    this.held += sum(missing, this.#size);
    this.peak = Math.max(this.peak, this.held);
    return missing;
  }

  /** Takes a holder from all; the parameters that nobody holds now are to be freed. */
  drop(holder: string): string[] {
    const freed = [...this.#of].filter(([, holders]) => holders.delete(holder) && holders.size === 0);
    for (const [spec] of freed) this.#of.delete(spec);
    this.held -= sum(
      freed.map(([spec]) => spec),
      this.#size,
    );
    return freed.map(([{ name }]) => name);
  }
}

const microOf = ({ stage, micro }: Acquire): string => `micro ${stage} ${micro}`;

/** Plans the gathers of one step. */
export function planGathers(acquires: readonly Acquire[], options: GatherOptions): GatherPlan {
  const { keep, prefetch, size } = options;
  const buckets = bucketsOf(acquires, options);
  const holders = new Holders(options.held ?? size);
  const lastOf = new Map(buckets.map((bucket, i) => [microOf(bucket.action), i]));
  let started = 0;
  const steps: GatherStep[] = [];
  for (const [i, bucket] of buckets.entries()) {
    const start: ParamSpec[][] = [];
    for (; started <= Math.min(i + prefetch, buckets.length - 1); started++)
      start.push(holders.hold(buckets[started]!.params, `bucket ${started}`));
    for (let at = bucket.first; at <= bucket.last; at++)
      steps.push({ start: at === bucket.first ? start : [], free: [] });
    const micro = microOf(bucket.action);
    const again = bucket.action.op === "F" && keep === "micro" && lastOf.get(micro)! > i;
    if (again) holders.hold(bucket.params, micro);
    const freed = [...holders.drop(`bucket ${i}`), ...(lastOf.get(micro) === i ? holders.drop(micro) : [])];
    steps[bucket.last] = { ...steps[bucket.last]!, free: freed };
  }
  const done = steps.map(({ start, free }) => ({ start: start.filter((params) => params.length), free }));
  return { steps: done, asks: asksOf(acquires, done, size), peak: holders.peak };
}

/** The gathers, and what is acquired as it is. */
const asksOf = (acquires: readonly Acquire[], steps: readonly GatherStep[], size: GatherOptions["size"]): Acquire[] =>
  acquires.flatMap(({ params, ...action }, i) =>
    [...steps[i]!.start, params.filter((spec) => size(spec) === 0)].flatMap((list) =>
      list.length ? [{ ...action, params: list }] : [],
    ),
  );
