// tfjs's backend: who owns which device memory, and how values come and go. What is computed is in kernels/.
import { type DataId, type DataType, engine, KernelBackend, type TensorInfo, util } from "@tensorflow/tfjs";
import type { Gpu, Launch, Program } from "../driver/gpu.ts";
import { blocks } from "../kernels/dims.ts";
import type { Allocator } from "../memory/allocator.ts";
import { elementwise } from "../sources/elementwise.ts";
import { bytesOf, type Stored } from "../sources/prelude.ts";
import { Entry, hostVector, type Numbers, storage, toNumbers } from "./entry.ts";

/** Number format of matrix products: see docs/cuda.md. */
export type Precision = "fp32" | "tf32" | "bf16";

/** How the residual stream is stored at precision "bf16". */
export type Residual = "fp32" | "bf16";

type Values = Parameters<KernelBackend["write"]>[0];
type Read = Awaited<ReturnType<KernelBackend["read"]>>;

const bytes = (x: Numbers): Uint8Array => new Uint8Array(x.buffer, x.byteOffset, x.byteLength);

/** Backend of tfjs whose tensors lie in the memory of one NVIDIA GPU. */
export class CudaBackend extends KernelBackend {
  readonly gpu: Gpu;
  readonly memoryPool: Allocator;
  readonly precision: Precision;
  readonly residual: Residual;
  /** Data that came from another backend, under ids of its own. */
  readonly #moved = new WeakMap<DataId, Entry>();
  readonly #programs = new Map<string, Launch>();
  #count = 0;

  constructor(gpu: Gpu, memoryPool: Allocator, precision: Precision, residual: Residual = "fp32") {
    super();
    this.residual = precision === "bf16" ? residual : "fp32";
    this.gpu = gpu;
    this.memoryPool = memoryPool;
    this.precision = precision;
  }

  #find(dataId: DataId): Entry | undefined {
    const found = dataId instanceof Entry ? dataId : this.#moved.get(dataId);
    return found?.alive ? found : undefined;
  }

  /** What is known of a tensor's data, moved here first if another backend has it. */
  entry(dataId: DataId): Entry {
    const found = this.#find(dataId);
    if (found) return found;
    engine().moveData(this, dataId);
    return this.#moved.get(dataId)!;
  }

  /** A tensor whose elements a kernel will write. bf16 may stand for float32: the user reads float32 all the same. */
  output(shape: readonly number[], dtype: DataType, stored: Stored = storage(dtype)): TensorInfo {
    const entry = new Entry(dtype, stored, util.sizeFromShape(shape as number[]));
    const wanted = entry.size * bytesOf[stored];
    if (wanted) entry.address = this.memoryPool.take(wanted, dtype, shape);
    this.#count++;
    return { dataId: entry, shape: shape as number[], dtype };
  }

  /** The same data under a shape of the same size: `x` counts one reference more. */
  share(x: TensorInfo, shape: readonly number[] = x.shape, dtype: DataType = x.dtype): TensorInfo {
    this.incRef(x.dataId);
    return { dataId: x.dataId, shape: shape as number[], dtype };
  }

  /** Address of a tensor's elements on the device. */
  address(x: TensorInfo): number {
    const entry = this.entry(x.dataId);
    if (entry.address || !entry.size) return entry.address;
    entry.address = this.memoryPool.take(entry.size * bytesOf[entry.stored], x.dtype, x.shape);
    this.gpu.upload(entry.address, bytes(toNumbers([entry.single!], entry.dtype)));
    return entry.address;
  }

  /** A kernel by name, compiled when it is first asked for. */
  program(name: string, make: () => Omit<Program, "name">): Launch {
    const found = this.#programs.get(name);
    if (found) return found;
    const launch = this.gpu.compile({ name, ...make() });
    this.#programs.set(name, launch);
    return launch;
  }

  /** Has `x` hold a share of `other` until its own data goes. */
  keep(x: TensorInfo, other: TensorInfo): void {
    this.entry(x.dataId).kept = this.share(other);
  }

  /** What `keep` had a tensor hold. */
  kept(x: TensorInfo): TensorInfo {
    const { kept } = this.entry(x.dataId);
    if (!kept)
      throw new Error("device cuda: a gradient got a tensor that its kernel did not give; it may have been moved");
    return kept;
  }

  /** Gives back the memory of tensors that never reached tfjs. */
  release(...xs: readonly TensorInfo[]): void {
    for (const { dataId } of xs) this.disposeData(dataId);
  }

  override write(values: Values, shape: number[], dtype: DataType): DataId {
    this.#count++;
    return this.#made(values, shape, dtype, 1);
  }

  override move(dataId: DataId, values: Values, shape: number[], dtype: DataType, references: number): void {
    this.#moved.set(dataId, this.#made(values, shape, dtype, references));
    this.#count++;
  }

  #made(values: Values, shape: readonly number[], dtype: DataType, references: number): Entry {
    if (dtype === "string") {
      const entry = new Entry(dtype, "u8", (values as Uint8Array[]).length, references);
      entry.strings = values as Uint8Array[];
      return entry;
    }
    if (dtype === "complex64") throw new Error("device cuda: complex tensors are made by tf.complex");
    const numbers = toNumbers(values as ArrayLike<number>, dtype);
    const entry = new Entry(dtype, storage(dtype), numbers.length, references);
    if (numbers.length === 1) entry.single = numbers[0]!;
    else if (numbers.length) {
      entry.address = this.memoryPool.take(numbers.byteLength, dtype, shape);
      this.gpu.upload(entry.address, bytes(numbers));
    }
    return entry;
  }

  /** A tensor of two others, which it owns from now on. */
  complex(real: TensorInfo, imag: TensorInfo): TensorInfo {
    const entry = new Entry("complex64", "f32", 0);
    entry.complex = { real, imag };
    this.#count++;
    return { dataId: entry, shape: real.shape, dtype: "complex64" };
  }

  override readSync(dataId: DataId): Read {
    const entry = this.entry(dataId);
    if (entry.strings) return entry.strings as Uint8Array[];
    const { complex } = entry;
    if (complex) return interleave(this.readSync(complex.real.dataId), this.readSync(complex.imag.dataId));
    const into = hostVector(entry.dtype, entry.size);
    const from = this.#source(entry, into);
    if (from) this.gpu.download(bytes(into), from.address);
    from?.release();
    return into;
  }

  override async read(dataId: DataId): Promise<Read> {
    const entry = this.entry(dataId);
    if (entry.strings) return entry.strings as Uint8Array[];
    const { complex } = entry;
    if (complex) return interleave(await this.read(complex.real.dataId), await this.read(complex.imag.dataId));
    const into = hostVector(entry.dtype, entry.size);
    const from = this.#source(entry, into);
    if (from) await this.gpu.downloadLater(bytes(into), from.address);
    from?.release();
    return into;
  }

  /** Where to read from: float32 also where bf16 is stored. Nothing where `into` could be filled at once. */
  #source(entry: Entry, into: Numbers): { address: number; release(): void } | undefined {
    if (!entry.size) return undefined;
    if (!entry.address) {
      into[0] = entry.single!;
      return undefined;
    }
    if (entry.stored !== "bf16") return { address: entry.address, release: () => undefined };
    const address = this.memoryPool.take(into.byteLength, "a bf16 tensor that is read");
    this.widen(entry.address, address, entry.size);
    return { address, release: () => this.memoryPool.give(address, into.byteLength) };
  }

  /** Copies bf16 elements into float32 ones. */
  widen(from: number, to: number, size: number): void {
    const launch = this.program("widen", () => conversion("widen", "bf16", "f32"));
    launch(blocks(size, 1024), 1, 256, from, to, size);
  }

  /** Copies float32 elements into bf16 ones. */
  narrow(from: number, to: number, size: number): void {
    const launch = this.program("narrow", () => conversion("narrow", "f32", "bf16"));
    launch(blocks(size, 1024), 1, 256, from, to, size);
  }

  override refCount(dataId: DataId): number {
    return this.#find(dataId)?.references ?? 0;
  }
  override incRef(dataId: DataId): void {
    this.entry(dataId).references++;
  }
  decRef(dataId: DataId): void {
    const entry = this.#find(dataId);
    if (entry) entry.references--;
  }

  override disposeData(dataId: DataId, force = false): boolean {
    const entry = this.#find(dataId);
    if (!entry) return true;
    if (--entry.references > 0 && !force) return false;
    if (entry.complex) this.release(entry.complex.real, entry.complex.imag);
    if (entry.kept) this.release(entry.kept);
    if (entry.address) this.memoryPool.give(entry.address, entry.size * bytesOf[entry.stored]);
    if (entry.half) this.memoryPool.give(entry.half, entry.size * bytesOf.bf16);
    entry.alive = false;
    this.#count--;
    return true;
  }

  override numDataIds(): number {
    return this.#count;
  }
  override memory(): { unreliable: boolean } {
    return { unreliable: false, ...this.memoryPool.counters() };
  }
  override floatPrecision(): 16 | 32 {
    return 32;
  }
  override epsilon(): number {
    return 1e-7;
  }
  override timerAvailable(): boolean {
    return true;
  }
  override async time(work: () => void): Promise<{ kernelMs: number }> {
    return { kernelMs: await this.gpu.time(work) };
  }
  override dispose(): void {
    this.memoryPool.trim();
    this.gpu.close();
  }
}

const conversion = (name: string, from: Stored, output: Stored) =>
  elementwise(name, { expression: "a", inputs: [{ stored: from, mode: "each" }], output, constants: 0, rank: 0 });

function interleave(real: Read, imag: Read): Float32Array {
  const out = new Float32Array(2 * real.length);
  for (let i = 0; i < real.length; i++) {
    out[2 * i] = real[i] as number;
    out[2 * i + 1] = imag[i] as number;
  }
  return out;
}
