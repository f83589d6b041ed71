// Buffers of a GPU, kept for reuse by size and use: what tfjs's own manager does, with bytes counted by what they are for,
// a limit, and an error that names the tensor. WebGPU tells no free memory: what is free is the limit less what is held.

const MiB = 2 ** 20;
const mebibytes = (bytes: number): string => `${(bytes / MiB).toFixed(1)} MiB`;

/** A buffer that does not fit: the backend adds which tensor it was for. */
export class OutOfMemory extends Error {
  readonly why: string;

  constructor(why: string) {
    super(`device webgpu: out of memory: ${why}`);
    this.why = why;
  }
}

export interface PoolOptions {
  /** Bytes that all buffers together may take. */
  limit: number;
  /** Hears that the driver refused a buffer, which it tells later than at once. */
  readonly onRefused: (error: OutOfMemory) => void;
}

/** Names and meanings of tfjs 4's `BufferManager`, whose place it takes. */
export class Pool {
  numBytesUsed = 0;
  numBytesAllocated = 0;
  readonly #spare = new Map<string, GPUBuffer[]>();
  readonly #used = new Set<GPUBuffer>();

  readonly #device: GPUDevice;
  /** Its limit may be set anew: it holds from the next buffer on. */
  readonly options: PoolOptions;

  constructor(device: GPUDevice, options: PoolOptions) {
    this.#device = device;
    this.options = options;
  }

  acquireBuffer(size: number, usage: number, mappedAtCreation = false, reuse = true): GPUBuffer {
    const buffer =
      (reuse && this.#spare.get(`${size} ${usage}`)?.pop()) || this.#create({ size, usage, mappedAtCreation });
    this.#used.add(buffer);
    this.numBytesUsed += size;
    return buffer;
  }

  releaseBuffer(buffer: GPUBuffer, reuse = true): void {
    if (!this.#used.delete(buffer)) return; // the pool was emptied since
    const { size, usage } = buffer;
    this.numBytesUsed -= size;
    if (!reuse) {
      this.#destroy(buffer);
      return;
    }
    const key = `${size} ${usage}`;
    const alike = this.#spare.get(key);
    if (alike) alike.push(buffer);
    else this.#spare.set(key, [buffer]);
  }

  dispose(): void {
    this.#empty();
    for (const buffer of this.#used) this.#destroy(buffer);
    this.#used.clear();
    this.numBytesUsed = 0;
  }

  /** Tells what is asked for, held and free. */
  shown(asked: number): string {
    const { limit } = this.options;
    const spare = this.numBytesAllocated - this.numBytesUsed;
    const free =
      limit < Infinity ? `${mebibytes(limit - this.numBytesUsed)} free of ${mebibytes(limit)}` : "no limit was set";
    return `${mebibytes(asked)} asked for, ${mebibytes(this.numBytesUsed)} held, ${mebibytes(spare)} kept for reuse, ${free}`;
  }

  #create(wanted: GPUBufferDescriptor): GPUBuffer {
    const { size } = wanted;
    const largest = Math.min(this.#device.limits.maxBufferSize, this.#device.limits.maxStorageBufferBindingSize);
    if (size > largest)
      throw new OutOfMemory(`${this.shown(size)}; the largest buffer of this GPU is ${mebibytes(largest)}`);
    if (this.numBytesAllocated + size > this.options.limit) this.#empty();
    if (this.numBytesAllocated + size > this.options.limit) throw new OutOfMemory(this.shown(size));
    const shown = this.shown(size);
    this.#device.pushErrorScope("out-of-memory");
    const buffer = this.#device.createBuffer(wanted);
    const heard = (error: GPUError | null) => error && this.options.onRefused(new OutOfMemory(shown));
    this.#device.popErrorScope().then(heard, () => {}); // a device that is lost says so elsewhere
    this.numBytesAllocated += size;
    return buffer;
  }

  #destroy(buffer: GPUBuffer): void {
    this.numBytesAllocated -= buffer.size;
    buffer.destroy();
  }

  #empty(): void {
    for (const buffers of this.#spare.values()) for (const buffer of buffers) this.#destroy(buffer);
    this.#spare.clear();
  }
}
