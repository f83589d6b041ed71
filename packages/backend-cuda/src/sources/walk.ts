// CUDA C++ that takes an index apart into one position a dim, and adds up an offset for each operand.

/** Parameters of a walk over `rank` dims for operands named by letters, as they are declared: dims, then strides by operand. */
export function walkParameters(rank: number, operands: readonly string[]): string {
  const dims = Array.from({ length: rank }, (_, d) => `int n${d}`);
  const strides = operands.flatMap((name) => Array.from({ length: rank }, (_, d) => `int ${name}s${d}`));
  return [...dims, ...strides].join(", ");
}

/** Statements that set `<operand>at` from `i`, the index in row-major order. */
export function walkOffsets(rank: number, operands: readonly string[]): string {
  const starts = operands.map((name) => `long long ${name}at = 0;`).join(" ");
  const steps = Array.from({ length: rank }, (_, back) => {
    const d = rank - 1 - back;
    const take = d ? `p = rest % (u32)n${d}; rest /= (u32)n${d};` : "p = rest;";
    return `  ${take} ${operands.map((name) => `${name}at += (long long)p * ${name}s${d};`).join(" ")}`;
  });
  return `${starts} u32 rest = i, p;\n${steps.join("\n")}`;
}
