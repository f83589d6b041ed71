// Device memory for tensors: free lists by size in JavaScript over the driver's allocator, which takes 7 to 175 us where
// a list takes 0.02. Kernels run in one order, so a block may be given out again before the kernel that read it has run. The lowest
// address goes first: steps that ask for the same sizes then get the same addresses, and what libraries keep by address is found again.

/** Where blocks come from. */
export interface Source {
  /** Takes bytes from the device; 0 where there are none left. */
  allocate(bytes: number): number;
  free(address: number): void;
  memory(): { readonly free: number; readonly total: number };
}

/** Bytes, as counted here: `held` is taken from the driver, `used` of these are in tensors, the rest wait in lists. */
export interface Counters {
  readonly used: number;
  readonly peak: number;
  readonly held: number;
  /** Calls of the driver's allocator so far. */
  readonly allocations: number;
}

export interface Allocator {
  /**
   * Takes at least `bytes`; `what` they are for is named where there are none left, with `shape` the elements of a tensor of that shape.
   * Throws RangeError then, having given back what waited in lists.
   */
  take(bytes: number, what: string, shape?: readonly number[]): number;
  /** Gives back what `take(bytes)` gave. */
  give(address: number, bytes: number): void;
  counters(): Counters;
  /** Forgets the peak: from now on it is what is used now. */
  resetPeak(): void;
  /** Gives what waits in lists back to the driver. */
  trim(): void;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** The size of the block that holds `bytes`: steps of 512 bytes, and of 2 MiB from 1 MiB on, which the driver makes anyway. */
export const blockSize = (bytes: number): number => {
  const step = bytes < MIB ? KIB / 2 : 2 * MIB;
  return Math.max(1, Math.ceil(bytes / step)) * step;
};

const mib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;

function refusal(what: string, size: number, used: number, { free, total }: ReturnType<Source["memory"]>): RangeError {
  return new RangeError(
    `device cuda is out of memory: ${what} asks for ${mib(size)}; ${mib(used)} are held by tensors, ` +
      `${mib(free)} of ${mib(total)} are free. Use smaller batches, more ranks, ZeRO or precision "bf16"`,
  );
}

/** Puts an address in its place in a list whose last is the lowest. */
function insert(list: number[], address: number): void {
  let [from, to] = [0, list.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (list[middle]! > address) from = middle + 1;
    else to = middle;
  }
  list.splice(from, 0, address);
}

export function allocator(source: Source): Allocator {
  const lists = new Map<number, number[]>();
  let [used, peak, held, allocations] = [0, 0, 0, 0];

  const trim = (): void => {
    for (const [size, list] of lists) {
      for (const address of list) source.free(address);
      held -= size * list.length;
    }
    lists.clear();
  };

  const fromDriver = (size: number): number => {
    const address = source.allocate(size);
    if (address) {
      allocations++;
      held += size;
    }
    return address;
  };

  const afterTrim = (size: number, what: string, shape?: readonly number[]): number => {
    trim();
    const address = fromDriver(size);
    if (address) return address;
    throw refusal(shape ? `a tensor [${shape}] of ${what}` : what, size, used, source.memory());
  };

  return {
    take(bytes, what, shape) {
      const size = blockSize(bytes);
      const address = lists.get(size)?.pop() ?? (fromDriver(size) || afterTrim(size, what, shape));
      used += size;
      if (used > peak) peak = used;
      return address;
    },
    give(address, bytes) {
      const size = blockSize(bytes);
      used -= size;
      const list = lists.get(size);
      if (list) insert(list, address);
      else lists.set(size, [address]);
    },
    counters: () => ({ used, peak, held, allocations }),
    resetPeak() {
      peak = used;
    },
    trim,
  };
}
