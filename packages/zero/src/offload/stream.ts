// Values on their way between where they rest and the device: a bucket is read ahead of its use and written behind it, three at
// most at once (Rajbhandari et al.: ZeRO-Infinity, SC 2021, section 6.2). Cheap in the order of the buckets, right in any.
import type { Kind, Meter } from "@orthant/core";
import type { Bucket, Part } from "./buckets.ts";
import type { Rest } from "./rest.ts";

/** A bucket that is in flight; counted from the start of its read to the end of its write. */
interface Loaded {
  readonly values: Promise<Float32Array>;
  changed: boolean;
  written: Promise<void>;
}

export interface StreamOptions {
  readonly rest: Rest;
  readonly buckets: readonly Bucket[];
  readonly meter: Meter;
  readonly kind: Kind;
}

export class Stream {
  readonly #options: StreamOptions;
  readonly #places: ReadonlyMap<string, { readonly bucket: number; readonly part: Part }>;
  readonly #window = new Map<number, Loaded>();

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#places = new Map(
      options.buckets.flatMap(({ parts }, bucket) => parts.map((part) => [part.name, { bucket, part }] as const)),
    );
  }

  has = (name: string): boolean => this.#places.has(name);

  /** Reads what rests of one parameter, past the buckets. */
  async read(name: string): Promise<Float32Array> {
    await this.flush();
    const { at, elements } = this.#places.get(name)!.part;
    return this.#options.rest.read(at, elements);
  }

  /** Copies a parameter's values out of its bucket. */
  async take(name: string): Promise<Float32Array> {
    const { values, from, to } = await this.#find(name);
    return (await values.values).slice(from, to);
  }

  /** Replaces a parameter's values; they are written when a later bucket is in use, or by `flush`. */
  async put(name: string, next: Float32Array): Promise<void> {
    const { values, from } = await this.#find(name);
    await values.written;
    (await values.values).set(next, from);
    values.changed = true;
  }

  async #find(name: string) {
    const { bucket, part } = this.#places.get(name)!;
    const from = part.at - this.#options.buckets[bucket]!.at;
    return { values: await this.#open(bucket), from, to: from + part.elements };
  }

  /** Moves the window to a bucket and its neighbours. */
  async #open(i: number): Promise<Loaded> {
    for (const j of this.#window.keys()) if (j < i) this.#write(j);
    for (const j of [...this.#window.keys()]) if (Math.abs(j - i) > 1) await this.#close(j);
    for (const j of [i, i + 1]) if (j < this.#options.buckets.length && !this.#window.has(j)) this.#load(j);
    return this.#window.get(i)!;
  }

  #count(i: number, sign: 1 | -1): void {
    const { meter, kind, buckets } = this.#options;
    meter.add(kind, sign * 4 * buckets[i]!.elements);
  }

  #load(i: number): void {
    const { rest, buckets } = this.#options;
    const { at, elements } = buckets[i]!;
    this.#count(i, 1);
    const values = rest.read(at, elements);
    values.catch(() => {}); // reported by who uses them
    this.#window.set(i, { values, changed: false, written: Promise.resolve() });
  }

  #write(i: number): void {
    const loaded = this.#window.get(i)!;
    if (!loaded.changed) return;
    loaded.changed = false;
    const { rest, buckets } = this.#options;
    loaded.written = loaded.values.then((values) => rest.write(buckets[i]!.at, values));
    loaded.written.catch(() => {}); // reported when the bucket leaves the window
  }

  async #close(i: number): Promise<void> {
    this.#write(i);
    const { values, written } = this.#window.get(i)!;
    await Promise.all([values, written]);
    if (this.#window.delete(i)) this.#count(i, -1);
  }

  /** Writes what changed; nothing is in flight then. */
  async flush(): Promise<void> {
    await Promise.all([...this.#window.keys()].map((i) => this.#close(i)));
  }

  dispose(): void {
    for (const i of this.#window.keys()) this.#count(i, -1);
    this.#window.clear();
    this.#options.rest.dispose();
  }
}
