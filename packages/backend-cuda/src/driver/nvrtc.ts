// NVRTC: CUDA C++ to machine code for one architecture, without a compiler installed. Needs no GPU.
import { type Call, load } from "../library/load.ts";
import { out } from "./calls.ts";

export interface Compiler {
  /** NVRTC's version, "13.0". */
  readonly version: string;
  /** Architectures that it knows, as compute capabilities: 80, 90, 100. */
  readonly architectures: readonly number[];
  /** Compiles a source for `sm_90a` and its like, or to PTX for `compute_90`. Throws with the compiler's log. */
  compile(source: string, architecture: string): Uint8Array;
}

const prototypes = {
  version: "nvrtcVersion(_Out_ int* major, _Out_ int* minor)",
  archCount: "nvrtcGetNumSupportedArchs(_Out_ int* count)",
  archs: "nvrtcGetSupportedArchs(void* list)",
  create: "nvrtcCreateProgram(_Out_ uint64_t* program, str source, str name, int headers, void* texts, void* names)",
  destroy: "nvrtcDestroyProgram(void* program)",
  logSize: "nvrtcGetProgramLogSize(uint64_t program, _Out_ size_t* bytes)",
  log: "nvrtcGetProgramLog(uint64_t program, void* text)",
  cubinSize: "nvrtcGetCUBINSize(uint64_t program, _Out_ size_t* bytes)",
  cubin: "nvrtcGetCUBIN(uint64_t program, void* image)",
  ptxSize: "nvrtcGetPTXSize(uint64_t program, _Out_ size_t* bytes)",
  ptx: "nvrtcGetPTX(uint64_t program, void* image)",
} as const;

type Calls = Readonly<Record<keyof typeof prototypes, Call>>;

function read(program: number, size: Call, fetch: Call): Uint8Array {
  const bytes = new Uint8Array(out((into) => size(program, into)));
  fetch(program, bytes);
  return bytes;
}

const options = (architecture: string): string[] => [`--gpu-architecture=${architecture}`, "--std=c++17"];

function compileWith(calls: Calls, compile: Call, source: string, architecture: string): Uint8Array {
  const program = out((into) => calls.create(into, source, "kernel.cu", 0, null, null));
  try {
    const given = options(architecture);
    if (compile(program, given.length, given)) {
      const log = new TextDecoder().decode(read(program, calls.logSize, calls.log));
      throw new Error(`device cuda: a kernel does not compile for ${architecture}: ${log.replace(/\0$/, "").trim()}`);
    }
    const real = architecture.startsWith("sm_");
    return real ? read(program, calls.cubinSize, calls.cubin) : read(program, calls.ptxSize, calls.ptx);
  } finally {
    calls.destroy(BigUint64Array.of(BigInt(program)));
  }
}

export function compiler(path: string): Compiler {
  const library = load(path);
  const calls = Object.fromEntries(
    Object.entries(prototypes).map(([key, prototype]) => [key, library.declare(`int ${prototype}`)]),
  ) as Calls;
  const compile = library.declare("int nvrtcCompileProgram(uint64_t program, int count, str* options)");
  const [major, minor] = [[0], [0]];
  calls.version(major, minor);
  const list = new Int32Array(out((into) => calls.archCount(into)));
  calls.archs(list);
  return {
    version: `${major[0]}.${minor[0]}`,
    architectures: [...list],
    compile: (source, architecture) => compileWith(calls, compile, source, architecture),
  };
}

/** The architecture to compile for: the card's own, or PTX of the newest that NVRTC knows, which the driver finishes. */
export function architectureFor(capability: number, known: readonly number[]): string {
  if (known.includes(capability)) return `sm_${capability}${capability === 90 ? "a" : ""}`;
  const older = known.filter((each) => each < capability);
  if (!older.length)
    throw new Error(`device cuda: NVRTC knows no architecture up to ${capability}; it knows ${known.join(", ")}`);
  return `compute_${Math.max(...older)}`;
}
