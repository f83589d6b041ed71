// A graph of TensorFlow as plain data, and its bytes as a SavedModel: the one way in which tfjs-node takes more than one operation at a
// time. Shapes are those of what it is run on. Numbers of fields are those of TensorFlow's graph.proto, node_def.proto,
// attr_value.proto, tensor.proto, meta_graph.proto and saved_model.proto.

/** A type, as TensorFlow numbers them. */
const types = { float32: 1, int32: 3 } as const;

export type Type = keyof typeof types;

/** An attribute of an operation: a flag, a whole number or a type. */
export type Attribute = boolean | number | Type;

export type Attributes = Readonly<Record<string, Attribute>>;

/** An output of an operation, as TensorFlow names it: `n7:0`. */
export type Output = `n${number}:${number}`;

/** Operations without an attribute T. */
const untyped: ReadonlySet<string> = new Set(["Cast", "GatherV2", "Range"]);

type Field = readonly [number: number, value: number | Uint8Array | string];

const utf8 = new TextEncoder();

function varint(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) + 128);
  return [...bytes, left];
}

/** A message of protocol buffers, of whole numbers and of what has a length. */
function message(...fields: readonly Field[]): Uint8Array {
  const parts = fields.map(([number, value]) => {
    if (typeof value === "number") return [...varint(8 * number), ...varint(value)];
    const bytes = typeof value === "string" ? utf8.encode(value) : value;
    return [...varint(8 * number + 2), ...varint(bytes.length), ...bytes];
  });
  return Uint8Array.from(parts.flat());
}

function attribute(value: Attribute): Uint8Array {
  if (typeof value === "boolean") return message([5, Number(value)]);
  return typeof value === "number" ? message([3, value]) : message([6, types[value]]);
}

/** Another output of the operation whose first this is. */
export const outputOf = (first: Output, i: number): Output => first.replace(/0$/, `${i}`) as Output;

/** Nodes in the order in which they were named. */
export class Graph {
  readonly #nodes: Uint8Array[] = [];

  #add(op: string, inputs: readonly Output[], attrs: Readonly<Record<string, Uint8Array>>): number {
    const entries = Object.entries(attrs).map(([key, value]): Field => [5, message([1, key], [2, value])]);
    const from = inputs.map((input): Field => [3, input]);
    return this.#nodes.push(message([1, `n${this.#nodes.length}`], [2, op], ...from, ...entries)) - 1;
  }

  input(type: Type = "float32"): Output {
    return `n${this.#add("Placeholder", [], { dtype: attribute(type) })}:0`;
  }

  constant(values: Float32Array | Int32Array, shape: readonly number[] = []): Output {
    const type = values instanceof Int32Array ? "int32" : "float32";
    const dims = message(...shape.map((size): Field => [2, message([1, size])]));
    const content = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const tensor = message([1, types[type]], [2, dims], [4, content]);
    return `n${this.#add("Const", [], { dtype: attribute(type), value: message([8, tensor]) })}:0`;
  }

  /** The first output of an operation; `T`, which most have, is float32 unless attributes say otherwise. */
  op(op: string, inputs: readonly Output[], attrs: Attributes = {}): Output {
    const all = untyped.has(op) ? attrs : { T: "float32" as const, ...attrs };
    const bytes = Object.entries(all).map(([key, value]) => [key, attribute(value)]);
    return `n${this.#add(op, inputs, Object.fromEntries(bytes))}:0`;
  }

  /** An operation on each element, which XLA compiles together with those it touches: one pass over memory. */
  each(op: string, ...inputs: readonly Output[]): Output {
    return this.op(op, inputs, { _XlaCompile: true });
  }

  /** The whole as a SavedModel with the tag "serve". */
  toBytes(): Uint8Array {
    const graph = message(...this.#nodes.map((node): Field => [1, node]), [4, message([1, 1000])]);
    return message([1, 1], [2, message([1, message([4, "serve"])], [2, graph])]);
  }
}
