// The header of a safetensors file: 8 bytes of length, JSON, then the tensors' bytes without a gap. Pure; what is read may come
// from anywhere, so every field is checked before it is used. Format: https://huggingface.co/docs/safetensors (Patry, 2022).

/** Bytes of one element, by the format's name. */
const elementBytes = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
} as const;

export type StoredType = keyof typeof elementBytes;

/** A tensor in a file. */
export interface StoredEntry {
  readonly name: string;
  readonly dtype: StoredType;
  readonly shape: readonly number[];
  /** Half-open range of bytes, from the start of the file. */
  readonly from: number;
  readonly to: number;
}

export interface Header {
  readonly entries: ReadonlyMap<string, StoredEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Bytes of the length that a file opens with. */
export const LENGTH_BYTES = 8;
/** Most bytes of JSON that the format allows. */
const MOST = 100_000_000;
/** The first tensor starts at a multiple of this, for readers that map the file. */
const ALIGNMENT = 8;

const bytesFor = (dtype: StoredType, shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, elementBytes[dtype]);

/** Lays out tensors in the order given; returns the bytes that the file opens with, and where each tensor goes. */
export function encodeHeader(
  tensors: readonly Pick<StoredEntry, "name" | "dtype" | "shape">[],
  metadata: Readonly<Record<string, string>> = {},
): { readonly bytes: Uint8Array<ArrayBuffer>; readonly entries: readonly StoredEntry[] } {
  let end = 0;
  const laid = tensors.map((tensor) => {
    const from = end;
    end += bytesFor(tensor.dtype, tensor.shape);
    return { ...tensor, from, to: end };
  });
  const fields = laid.map(({ name, dtype, shape, from, to }) => [name, { dtype, shape, data_offsets: [from, to] }]);
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries([["__metadata__", metadata], ...fields])));
  const length = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT;
  const bytes = new Uint8Array(LENGTH_BYTES + length).fill(0x20); // spaces, which JSON ignores
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, LENGTH_BYTES);
  return {
    bytes,
    entries: laid.map((entry) => ({ ...entry, from: entry.from + bytes.length, to: entry.to + bytes.length })),
  };
}

/** Reads the length of the JSON from a file's first bytes. Throws where the file, of `size` bytes, cannot hold it. */
export function headerLength(file: string, first: Uint8Array, size: number): number {
  if (first.length < LENGTH_BYTES || size < LENGTH_BYTES)
    throw new Error(`${file} has ${size} bytes: a safetensors file has at least ${LENGTH_BYTES}`);
  const length = Number(new DataView(first.buffer, first.byteOffset, LENGTH_BYTES).getBigUint64(0, true));
  if (length > MOST || length > size - LENGTH_BYTES)
    throw new Error(
      `${file} is truncated or no safetensors file: its header is said to have ${length} bytes, and ` +
        `${Math.min(MOST, size - LENGTH_BYTES)} is the most that it can have`,
    );
  return length;
}

/** Reads the JSON of a file of `size` bytes. Throws an error that names file and tensor where anything is not as the format says. */
export function parseHeader(file: string, json: Uint8Array, size: number): Header {
  const fields = toFields(file, json);
  const start = LENGTH_BYTES + json.length;
  const metadata = toMetadata(file, fields.get("__metadata__"));
  fields.delete("__metadata__");
  const entries = [...fields].map(([name, value]) => toEntry(file, name, value, start));
  checkLayout(file, entries, start, size);
  return { entries: new Map(entries.map((entry) => [entry.name, entry])), metadata };
}

function toFields(file: string, json: Uint8Array): Map<string, unknown> {
  const fail = (why: string, cause?: unknown) => new Error(`${file}: its header ${why}`, { cause });
  if (json[0] !== 0x7b) throw fail("does not begin with {");
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(json);
    value = JSON.parse(text);
  } catch (cause) {
    throw fail(`is no JSON: ${(cause as Error).message}`, cause);
  }
  const fields = new Map(Object.entries(value as object));
  if (keysWritten(text) !== fields.size) throw fail("names a tensor twice");
  return fields;
}

/** Counts the keys of the outermost object, twice those written twice. */
function keysWritten(text: string): number {
  const outside = text.replaceAll(/"(?:[^"\\]|\\.)*"/g, "");
  let [depth, keys] = [0, 0];
  for (const char of outside)
    if (char === "{" || char === "[") depth++;
    else if (char === "}" || char === "]") depth--;
    else if (char === ":" && depth === 1) keys++;
  return keys;
}

function toMetadata(file: string, value: unknown = {}): Record<string, string> {
  const ok = typeof value === "object" && value && Object.values(value).every((word) => typeof word === "string");
  if (!ok || Array.isArray(value)) throw new Error(`${file}: its __metadata__ does not map words to words`);
  return value as Record<string, string>;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function toEntry(file: string, name: string, value: unknown, start: number): StoredEntry {
  const fail = (why: string) => new Error(`${file}: tensor ${JSON.stringify(name)} ${why}`);
  const { dtype, shape, data_offsets: offsets, ...rest } = (value ?? {}) as Record<string, unknown>;
  if (Object.keys(rest).length)
    throw fail(`has a field ${JSON.stringify(Object.keys(rest)[0])}, which is none of the format's`);
  if (typeof dtype !== "string" || !Object.hasOwn(elementBytes, dtype))
    throw fail(`has dtype ${JSON.stringify(dtype)}; known are ${Object.keys(elementBytes).join(", ")}`);
  if (!Array.isArray(shape) || !shape.every(isCount)) throw fail(`has shape ${JSON.stringify(shape)}`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    throw fail(`has data_offsets ${JSON.stringify(offsets)}`);
  const [from, to] = offsets as [number, number];
  const bytes = bytesFor(dtype as StoredType, shape);
  if (to - from !== bytes)
    throw fail(`is ${dtype} [${shape.join(", ")}], ${bytes} bytes, and its offsets ${from} to ${to} hold ${to - from}`);
  return { name, dtype: dtype as StoredType, shape, from: start + from, to: start + to };
}

/** Refuses gaps, overlaps, and a file that ends before its tensors or goes on after them. */
function checkLayout(file: string, entries: readonly StoredEntry[], start: number, size: number): void {
  let end = start;
  for (const { name, from, to } of entries.toSorted((a, b) => a.from - b.from || a.to - b.to)) {
    if (from !== end)
      throw new Error(
        `${file}: tensor ${JSON.stringify(name)} starts at byte ${from}, and what is before it ends at ${end}`,
      );
    if (to > size)
      throw new Error(`${file} is truncated: tensor ${JSON.stringify(name)} ends at byte ${to} of ${size}`);
    end = to;
  }
  if (end !== size) throw new Error(`${file} has ${size} bytes, and its tensors end at ${end}`);
}
