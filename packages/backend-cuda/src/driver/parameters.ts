// The block of memory from which a launch takes a kernel's parameters: one for all launches, since the driver copies it.
import { addressOf } from "../library/load.ts";

/** Most parameters a kernel may have. */
export const MOST = 48;

export interface Parameters {
  /** Address of the list of addresses of the parameters. */
  readonly address: number;
  /** Keeps that list alive, as an object's own and by no mention alone: Bun leaves out what it takes to have no effect. */
  readonly list: BigUint64Array;
  /** Writes parameters by their letters (p pointer, i int, f float). */
  write(takes: string, values: readonly number[]): void;
}

const HIGH = 2 ** 32;
const [POINTER, INT] = ["p".charCodeAt(0), "i".charCodeAt(0)];

export function parameters(): Parameters {
  const memory = new ArrayBuffer(8 * MOST);
  const [words, floats] = [new Uint32Array(memory), new Float32Array(memory)];
  const base = addressOf(memory);
  const list = new BigUint64Array(new ArrayBuffer(8 * MOST)); // memory of its own does not move
  for (let i = 0; i < MOST; i++) list[i] = BigInt(base + 8 * i);
  return {
    address: addressOf(list),
    list,
    write(takes, values) {
      for (let i = 0; i < takes.length; i++) {
        const [letter, value] = [takes.charCodeAt(i), values[i]!];
        if (letter === POINTER) {
          words[2 * i] = value % HIGH;
          words[2 * i + 1] = value / HIGH;
        } else if (letter === INT) words[2 * i] = value;
        else floats[2 * i] = value;
      }
    },
  };
}
