// The word of a machine as a list, for msgpack without maps, and back: what is read may come from anywhere.
import { FrameError, isCount } from "../protocol/frame.ts";
import type { Start, Word } from "./roster.ts";

/** What a word opens with: another version is dropped. */
const version = 1;

const isName = (value: unknown): value is string => typeof value === "string" && value.length <= 100;

/** The fields of a word as a list: msgpack without maps. */
export const toList = ({ id, about, begun, free, left, start }: Word): unknown[] => [
  ...[version, id, about, begun, free, left],
  start ? [start.number, start.losses, start.machines] : [],
];

function toStart(value: unknown): Start | undefined {
  if (!Array.isArray(value)) throw new FrameError("a start of a wrong form");
  if (value.length === 0) return undefined;
  const [number, losses, machines] = value as unknown[];
  if (!isCount(number) || !isCount(losses) || !Array.isArray(machines) || !machines.every(isName))
    throw new FrameError("a start of a wrong form");
  return { number, losses, machines };
}

/** Reads a word. Throws a FrameError where it is none. */
export function toWord(value: unknown): Word {
  const [found, id, about, begun, free, left, start] = Array.isArray(value) ? (value as unknown[]) : [];
  const numbers = [begun, left].every((n) => n === -1 || isCount(n));
  if (found !== version || !isName(id) || !isName(about) || typeof free !== "boolean" || !numbers)
    throw new FrameError("a word of a wrong form");
  return { id, about, begun: begun as number, free, left: left as number, start: toStart(start) };
}
