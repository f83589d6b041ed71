// C++ expressions of tfjs's element-by-element kernels: `float` for float32 (a and b are float), `int` where int32 differs.
// Their semantics are those of tfjs's cpu backend, NaN included.

/** An expression, and what its result is where that is not of the inputs' dtype. */
export interface Entry {
  readonly float: string;
  readonly int?: string;
  readonly gives?: "bool" | "int32" | "float32";
}

const selu = { alpha: "1.6732632423543772f", scale: "1.0507009873554805f" };

/** Expressions of a. */
export const unary: Readonly<Record<string, Entry>> = {
  Abs: { float: "fabsf(a)", int: "(a < 0 ? -a : a)" },
  Acos: { float: "acosf(a)" },
  Acosh: { float: "acoshf(a)" },
  Asin: { float: "asinf(a)" },
  Asinh: { float: "asinhf(a)" },
  Atan: { float: "atanf(a)" },
  Atanh: { float: "atanhf(a)" },
  Ceil: { float: "ceilf(a)" },
  Cos: { float: "cosf(a)" },
  Cosh: { float: "coshf(a)" },
  Elu: { float: "(a >= 0 ? a : expm1f(a))" },
  Erf: { float: "erff(a)" },
  Exp: { float: "expf(a)", gives: "float32" },
  Expm1: { float: "expm1f(a)" },
  Floor: { float: "floorf(a)" },
  IsFinite: { float: "(int)(fabsf(a) < INFF)", gives: "bool" },
  IsInf: { float: "(int)(fabsf(a) == INFF)", gives: "bool" },
  IsNan: { float: "(int)(a != a)", gives: "bool" },
  Log: { float: "logf(a)" },
  Log1p: { float: "log1pf(a)" },
  LogicalNot: { float: "(int)(a == 0)", int: "(int)(a == 0)", gives: "bool" },
  Neg: { float: "-a", int: "-a" },
  Reciprocal: { float: "1.f / a" },
  Relu: { float: "(a < 0 ? 0.f : a)", int: "(a < 0 ? 0 : a)" },
  Relu6: { float: "(a < 0 ? 0.f : a > 6 ? 6.f : a)", int: "(a < 0 ? 0 : a > 6 ? 6 : a)" },
  Round: { float: "rintf(a)" },
  Rsqrt: { float: "1.f / sqrtf(a)" },
  Selu: { float: `(a >= 0 ? ${selu.scale} * a : ${selu.scale} * ${selu.alpha} * expm1f(a))` },
  Sigmoid: { float: "1.f / (1.f + expf(-a))" },
  Sign: { float: "(a > 0 ? 1.f : a < 0 ? -1.f : 0.f)", int: "(a > 0 ? 1 : a < 0 ? -1 : 0)" },
  Sin: { float: "sinf(a)" },
  Sinh: { float: "sinhf(a)" },
  Softplus: { float: "(a > 14 ? a : a < -14 ? expf(a) : log1pf(expf(a)))" },
  Sqrt: { float: "sqrtf(a)" },
  Square: { float: "a * a", int: "a * a" },
  Tan: { float: "tanf(a)" },
  Tanh: { float: "tanhf(a)" },
};

/** Expressions of a and the constants s0, s1: tfjs's attributes, in this order. */
export const withConstants: Readonly<Record<string, Entry & { readonly attributes: readonly string[] }>> = {
  ClipByValue: { float: "(a > s1 ? s1 : a < s0 ? s0 : a)", attributes: ["clipValueMin", "clipValueMax"] },
  LeakyRelu: { float: "(a < 0 ? s0 * a : a)", gives: "float32", attributes: ["alpha"] },
  Step: { float: "(a != a ? a : a > 0 ? 1.f : s0)", attributes: ["alpha"] },
};

const compare = (sign: string): Entry => ({ float: `(int)(a ${sign} b)`, int: `(int)(a ${sign} b)`, gives: "bool" });
const logical = (sign: string): Entry => {
  const text = `(int)((a != 0) ${sign} (b != 0))`;
  return { float: text, int: text, gives: "bool" };
};

/** Expressions of a and b, which broadcast. */
export const binary: Readonly<Record<string, Entry>> = {
  Add: { float: "a + b", int: "a + b" },
  Atan2: { float: "atan2f(a, b)" },
  BitwiseAnd: { float: "(float)((int)a & (int)b)", int: "a & b" },
  EluGrad: { float: "(b >= 0 ? a : a * (b + 1.f))" },
  Equal: compare("=="),
  FloorDiv: {
    float: "floorf(a / b)",
    int: "(b == 0 ? 0 : a / b - (a % b != 0 && (a < 0) != (b < 0)))",
    gives: "int32",
  },
  Greater: compare(">"),
  GreaterEqual: compare(">="),
  Less: compare("<"),
  LessEqual: compare("<="),
  LogicalAnd: logical("&&"),
  LogicalOr: logical("||"),
  LogicalXor: logical("!="),
  Maximum: { float: "(a != a ? a : b != b ? b : a > b ? a : b)", int: "(a > b ? a : b)" },
  Minimum: { float: "(a != a ? a : b != b ? b : a < b ? a : b)", int: "(a < b ? a : b)" },
  Mod: {
    float: "(a < 0) == (b < 0) ? fmodf(a, b) : fmodf(fmodf(a, b) + b, b)",
    int: "(b == 0 ? 0 : ((a % b) + b) % b)",
  },
  Multiply: { float: "a * b", int: "a * b" },
  NotEqual: compare("!="),
  Pow: { float: "powf(a, b)" },
  Prelu: { float: "(a < 0 ? b * a : a)", gives: "float32" },
  RealDiv: { float: "a / b" },
  SquaredDifference: { float: "(a - b) * (a - b)", int: "(a - b) * (a - b)" },
  Sub: { float: "a - b", int: "a - b" },
};

/** The same expression where its inputs are int registers: as float where it has no form for int. */
export const forIntegers = ({ float, int }: Entry): string => int ?? float.replace(/\b([ab])\b(?!\()/g, "((float)$1)");
