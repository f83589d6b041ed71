// The GPU through NVIDIA's driver: one context, one stream, memory, copies, launches. One a thread; threads of a process share the
// card's primary context.
import { openLt } from "../blas/lt.ts";
import { type Compute, multiplier } from "../blas/products.ts";
import { cudnnAttention } from "../cudnn/attention.ts";
import { openCudnn } from "../cudnn/calls.ts";
import { cudnnConvolution } from "../cudnn/convolution.ts";
import { findLibraries } from "../library/find.ts";
import { places } from "../library/places.ts";
import { prelude } from "../sources/prelude.ts";
import { cached, cacheFolder, cacheKey } from "./cache.ts";
import { type Calls, driverCalls, out, result } from "./calls.ts";
import { type Card, findCard } from "./card.ts";
import { marks } from "./events.ts";
import type { Gpu, Launch, Program } from "./gpu.ts";
import { architectureFor, type Compiler, compiler } from "./nvrtc.ts";
import { parameters } from "./parameters.ts";
import { SMALL, staging } from "./staging.ts";

export interface Options {
  readonly localRank?: number;
  readonly compute: Compute;
  /** True: products run by the algorithm that cuBLASLt names first, not by the fastest of eight. */
  readonly deterministic?: boolean;
}

/** Compiles programs for a card, or takes them from the disk. */
function images(nvrtc: Compiler, { capability }: Card): (source: string) => Uint8Array {
  const architecture = architectureFor(capability, nvrtc.architectures);
  const folder = cacheFolder();
  return (source) =>
    cached(folder, cacheKey(source, architecture, nvrtc.version), () => nvrtc.compile(source, architecture));
}

/** Bytes of shared memory that a block gets without being asked for, and the attribute that asks for more. */
const [UNASKED, MOST_SHARED] = [48 * 1024, 8];

function launcher(cuda: Calls, stream: number, image: (source: string) => Uint8Array): (program: Program) => Launch {
  const block = parameters();
  return ({ name, takes, source, shared = 0 }) => {
    const loaded = out((into) => cuda.loadModule(into, image(prelude + source)));
    const handle = out((into) => cuda.functionOf(into, loaded, name));
    if (shared > UNASKED) cuda.setFunction(handle, MOST_SHARED, shared);
    return (x, y, threads, ...values) => {
      block.write(takes, values);
      const code = cuda.launch(handle, x, y, 1, threads, 1, 1, shared, stream, block.address, 0);
      if (code) throw new Error(`device cuda: kernel ${name} of ${x} x ${y} blocks: ${cuda.describe(code)}`);
    };
  };
}

/** Memory and copies. */
function memory(cuda: Calls, stream: number, passed: () => Promise<void>) {
  const wait = (): void => cuda.streamWait(stream);
  const small = staging(cuda, wait);
  const download = (into: Uint8Array, from: number): void => {
    const slot = into.length <= SMALL ? small.take() : undefined;
    if (slot) cuda.toHostAt(slot.address, from, into.length, stream);
    else cuda.toHost(into, from, into.length, stream);
    wait();
    if (slot) {
      into.set(slot.bytes.subarray(0, into.length));
      small.give(slot);
    }
  };
  return {
    wait,
    download,
    upload(to: number, from: Uint8Array): void {
      if (from.length <= SMALL) {
        const slot = small.next(from.length);
        slot.bytes.set(from);
        cuda.toDeviceAt(to, slot.address, from.length, stream);
      } else {
        cuda.toDevice(to, from, from.length, stream);
        wait();
      }
    },
    async downloadLater(into: Uint8Array, from: number): Promise<void> {
      if (into.length > SMALL) {
        await passed();
        return download(into, from);
      }
      const slot = small.take();
      cuda.toHostAt(slot.address, from, into.length, stream);
      await passed();
      into.set(slot.bytes.subarray(0, into.length));
      small.give(slot);
    },
    close: small.close,
  };
}

function allocate(cuda: Calls, bytes: number): number {
  const into = [0];
  const code = cuda.allocate(into, bytes);
  if (code && code !== result.outOfMemory) throw new Error(`device cuda: cuMemAlloc: ${cuda.describe(code)}`);
  return code ? 0 : Number(into[0]);
}

/** What `make` gives; undefined where it throws: what it needs is not installed or does not load. */
function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}

/** What cuDNN does, where it is installed. Load cuBLASLt and NVRTC before. */
function byCudnn(
  path: string | undefined,
  stream: number,
  measure: (work: () => void) => number,
  { compute, deterministic = false }: Options,
) {
  const cudnn = path === undefined ? undefined : attempt(() => openCudnn(path, stream));
  if (!cudnn) return {};
  const kind = compute === "fp32" ? "fp32" : "tf32";
  return {
    attention: attempt(() => cudnnAttention(cudnn, deterministic)),
    convolution: cudnnConvolution(cudnn, { kind, deterministic, measure }),
  };
}

/** Opens a card. Throws in one line where there is no driver, no card, no library, or one that is too old. */
export function openGpu(options: Options): Gpu {
  const { localRank = 0, compute, deterministic = false } = options;
  const cuda = driverCalls();
  const card = findCard(cuda, localRank);
  const libraries = findLibraries(card.generation, places());
  cuda.setCurrent(out((into) => cuda.retain(into, card.device)));
  const stream = out((into) => cuda.streamCreate(into, 1));
  const { passed, measure } = marks(cuda, stream);
  const { close, ...copies } = memory(cuda, stream, passed);
  const nvrtc = compiler(libraries.nvrtc);
  const lt = openLt(libraries.cublasLt, (bytes) => allocate(cuda, bytes));
  return {
    name: card.name,
    processors: card.processors,
    allocate: (bytes) => allocate(cuda, bytes),
    free: (address) => cuda.free(address),
    memory() {
      const [free, total] = [[0], [0]];
      cuda.memoryInfo(free, total);
      return { free: Number(free[0]), total: Number(total[0]) };
    },
    ...copies,
    copy: (to, from, bytes) => cuda.copy(to, from, bytes, stream),
    fill: (to, word, count) => cuda.fill(to, word, count, stream),
    compile: launcher(cuda, stream, images(nvrtc, card)),
    ...multiplier(
      lt,
      compute,
      stream,
      deterministic ? {} : { measure: (work) => Math.min(...[1, 2, 3].map(() => measure(work))) },
    ),
    ...byCudnn(libraries.cudnn, stream, measure, options),
    time: async (work) => measure(work),
    close() {
      copies.wait();
      close();
      lt.calls.destroy(lt.handle);
      cuda.streamDestroy(stream);
    },
  };
}
