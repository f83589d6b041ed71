// Where values wait off the device: host memory, or a file of one rank. Positions and lengths in float32 elements. Neither knows
// parameters. Runtimes have no portable memory map: a file is read and written by position.
import { rmSync } from "node:fs";
import { type FileHandle, mkdtemp, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Rest {
  /** Copies what stands there. */
  read(at: number, elements: number): Promise<Float32Array>;
  /** Copies `values` there; they may not change before it is done. */
  write(at: number, values: Float32Array): Promise<void>;
  dispose(): void;
}

/** Keeps values in host memory. */
export function hostRest(elements: number): Rest {
  const all = new Float32Array(elements);
  return {
    read: async (at, count) => all.slice(at, at + count),
    write: async (at, values) => all.set(values, at),
    dispose() {},
  };
}

const reason = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/** Keeps values in a file of its own, in a new folder in `folder`; both are removed in the end. Throws where it cannot be made. */
export async function diskRest(name: string, folder = tmpdir()): Promise<Rest> {
  const made = await mkdtemp(join(folder, `orthant-${name}-`)).catch((cause) => {
    throw new Error(`offload to disk: cannot write in ${folder}: ${reason(cause)}; name another with offload.folder`, {
      cause,
    });
  });
  const path = join(made, "values");
  const remove = () => rmSync(made, { recursive: true, force: true });
  try {
    return fileRest(await open(path, "wx+"), path, remove);
  } catch (cause) {
    remove();
    throw new Error(`offload to disk: cannot make ${path}: ${reason(cause)}; name another folder with offload.folder`, {
      cause,
    });
  }
}

function fileRest(file: FileHandle, path: string, remove: () => void): Rest {
  /** Moves all bytes, in as many calls as the system wants. */
  const whole = async (
    what: string,
    bytes: Uint8Array,
    from: number,
    call: (offset: number) => Promise<number>,
  ): Promise<void> => {
    try {
      for (let done = 0; done < bytes.length; ) {
        const moved = await call(done);
        if (moved === 0) throw new Error("it ends before");
        done += moved;
      }
    } catch (cause) {
      const which = `${what} ${bytes.length} bytes at byte ${from} of ${path}`;
      throw new Error(
        `offload to disk: ${which} failed: ${reason(cause)}; free space, or name another offload.folder`,
        {
          cause,
        },
      );
    }
  };
  return {
    async read(at, elements) {
      const bytes = new Uint8Array(4 * elements);
      const next = async (n: number) => (await file.read(bytes, n, bytes.length - n, 4 * at + n)).bytesRead;
      await whole("reading", bytes, 4 * at, next);
      return new Float32Array(bytes.buffer);
    },
    async write(at, { buffer, byteOffset, byteLength }) {
      const bytes = new Uint8Array(buffer, byteOffset, byteLength);
      const next = async (n: number) => (await file.write(bytes, n, bytes.length - n, 4 * at + n)).bytesWritten;
      await whole("writing", bytes, 4 * at, next);
    },
    dispose() {
      file.close().catch(() => {}); // what is under way ends first
      remove();
    },
  };
}
