// Why a rank is gone, as text that fits a control message and the memory that threads share: an error taken apart, cut to
// fit. Its stack stays where it was thrown.
import { fromPlain, type PlainError, toPlain } from "@orthant/core/transport-kit";
import { FrameError } from "./frame.ts";

/** Bytes of the text in UTF-8, at most. */
export const maxFailure = 2046;

/** Errors told of one failure: its own, and those that caused it. */
const depth = 3;

/** Cuts strings to `most` characters, lists to a few of their items. */
function cutValue(value: unknown, most: number): unknown {
  if (typeof value === "string") return value.slice(0, most);
  return Array.isArray(value) ? value.slice(0, most >> 6) : value;
}

function cut({ name, message, fields, cause }: PlainError, most: number, left: number): PlainError {
  return {
    name: name.slice(0, most),
    message: message.slice(0, most),
    fields: Object.fromEntries(Object.entries(fields).map(([field, value]) => [field, cutValue(value, most)])),
    ...(cause && left > 1 && { cause: cut(cause, most, left - 1) }),
  };
}

/** Packs as much of an error as fits. */
export function packFailure(error: Error): string {
  for (let most = 600; ; most >>= 1) {
    const text = JSON.stringify(cut(toPlain(error), most, depth));
    if (new TextEncoder().encode(text).length <= maxFailure) return text;
  }
}

function isPlain(value: unknown): value is PlainError {
  if (typeof value !== "object" || value === null) return false;
  const { name, message, fields, cause } = value as Partial<PlainError>;
  if (typeof name !== "string" || typeof message !== "string") return false;
  return typeof fields === "object" && fields !== null && (cause === undefined || isPlain(cause));
}

/** Makes the error again. Throws a FrameError where the text is no error: it may come from anybody. */
export function unpackFailure(text: string): Error {
  try {
    const value: unknown = JSON.parse(text);
    if (isPlain(value)) return fromPlain(value);
  } catch {
    // told below
  }
  throw new FrameError("a failure of a wrong form");
}
