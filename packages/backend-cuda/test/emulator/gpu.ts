// A `Gpu` that is this machine's CPU: kernels are compiled by g++ behind emulate.h, which runs a block's threads as fibers.
// Slow and exact enough: what the kernels compute is tested without a card. Compiled kernels are kept by their source.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import koffi from "koffi";
import type { Gpu, Launch, Operands, Product, Program } from "../../src/driver/gpu.ts";
import { parameters } from "../../src/driver/parameters.ts";
import { prelude } from "../../src/sources/prelude.ts";
import { read, viewOf, write } from "./memory.ts";

const headers = ["emulate.h", "fragments.h"].map((name) => join(import.meta.dirname, name));
const folder = join(import.meta.dirname, "../../../../node_modules/.cache/orthant-emulator");

/** Whether the threads of a block must run side by side. */
const together = (source: string): boolean => /__sync|__shfl|blockSum|blockMax|warpSum|warpMax/.test(source);

function build({ name, source }: Program): string {
  const included = headers.map((header) => `#include "${header}"\n`).join("");
  const text = `${included}${prelude}\n${source}\nEXPORT(${name}, ${together(source)})\n`;
  const key = createHash("sha256").update(text).update(execFileSync("sha256sum", headers)).digest("hex").slice(0, 24);
  const path = join(folder, `${key}.so`);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  const [input, output] = [join(folder, `${key}.${process.pid}.cpp`), join(folder, `${key}.${process.pid}.so`)];
  writeFileSync(input, text);
  execFileSync("g++", ["-std=c++17", "-O1", "-w", "-fPIC", "-shared", "-o", output, input], { stdio: "inherit" });
  renameSync(output, path);
  return path;
}

const A = 2 * Math.sqrt(2 / Math.PI);
const B = 0.044715 * A;
const gate = (x: number): number => 1 / (1 + Math.exp(-x * (A + B * x * x)));

/** The slope of gelu in its tanh form. */
function slope(x: number): number {
  const s = gate(x);
  return s + x * s * (1 - s) * (A + 3 * B * x * x);
}

/** The sums of one row of a product, its bias with them. */
function sums(product: Product, a: Float32Array, b: Float32Array, bias: Float32Array, t: number, i: number): number[] {
  const { m, n, k, transposeA, transposeB, strideA, strideB } = product;
  return Array.from({ length: n }, (_, j) => {
    let sum = bias[j]!;
    for (let l = 0; l < k; l++)
      sum +=
        a[t * strideA + (transposeA ? l * m + i : i * k + l)]! * b[t * strideB + (transposeB ? j * k + l : l * n + j)]!;
    return sum;
  });
}

function multiply(product: Product, at: Operands): void {
  const { m, n, k, typeAB, typeD, batch, strideA, strideB, epilogue } = product;
  const a = read(typeAB, at.a, strideA * (batch - 1) + m * k);
  const b = read(typeAB, at.b, strideB * (batch - 1) + k * n);
  const bias = /bias/i.test(epilogue) ? read(typeD, at.bias, n) : new Float32Array(n);
  const d = new Float32Array(batch * m * n);
  for (let row = 0; row < batch * m; row++) d.set(sums(product, a, b, bias, Math.floor(row / m), row % m), row * n);
  if (epilogue === "geluBias") write(typeD, at.beside, d);
  const beside = epilogue === "geluGrad" ? read(typeD, at.beside, d.length) : d;
  const done: Readonly<Partial<Record<Product["epilogue"], (x: number, i: number) => number>>> = {
    relu: (x) => Math.max(0, x),
    reluBias: (x) => Math.max(0, x),
    geluBias: (x) => x * gate(x),
    geluGrad: (x, i) => x * slope(beside[i]!),
  };
  const last = done[epilogue];
  write(typeD, at.d, last ? d.map(last) : d);
}

/** Bytes that `allocate` gives out in all. */
export function emulatedGpu(total = 2 ** 32): Gpu & { readonly compiled: readonly Program[] } {
  const libc = koffi.load("libc.so.6");
  const align = libc.func("int posix_memalign(_Out_ uint64_t*, size_t, size_t)");
  const release = libc.func("void free(uint64_t)");
  const sizes = new Map<number, number>();
  const block = parameters();
  const compiled: Program[] = [];
  let used = 0;
  const bytes = (address: number, count: number) => new Uint8Array(viewOf(address, count));
  return {
    name: "emulator",
    processors: 2,
    compiled,
    allocate(count) {
      if (used + count > total) return 0;
      const out = [0];
      align(out, 256, count);
      bytes(out[0]!, count).fill(0xff); // NaN as float32 and bf16
      sizes.set(out[0]!, count);
      used += count;
      return out[0]!;
    },
    free(address) {
      used -= sizes.get(address)!;
      sizes.delete(address);
      release(address);
    },
    memory: () => ({ free: total - used, total }),
    upload: (to, from) => bytes(to, from.length).set(from),
    download: (into, from) => into.set(bytes(from, into.length)),
    downloadLater: async (into, from) => into.set(bytes(from, into.length)),
    copy: (to, from, count) => bytes(to, count).set(bytes(from, count)),
    fill: (to, word, count) => new Uint32Array(viewOf(to, 4 * count)).fill(word),
    compile(program): Launch {
      compiled.push(program);
      const run = koffi.load(build(program)).func("void run(uint, uint, uint, uint64_t)");
      return (x, y, threads, ...values) => {
        if (values.length !== program.takes.length) throw new Error(`${program.name}: ${values.length} parameters`);
        block.write(program.takes, values);
        run(x, y, threads, block.address);
      };
    },
    multiply,
    multiplies: () => true,
    wait: () => undefined,
    time: async (work) => {
      const start = performance.now();
      work();
      return performance.now() - start;
    },
    close: () => undefined,
  };
}
