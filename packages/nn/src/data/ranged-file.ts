// A file read by ranges: nothing of it stays in memory but what was asked for.
import { openSync, read, statSync } from "node:fs";

export interface RangedFile {
  readonly size: number;
  /** Reads `count` bytes from byte `at` on. Rejects where the file ends before. */
  read(at: number, count: number): Promise<Uint8Array>;
}

/** Opens the file at `source`, until the process ends; `who` is for messages. Throws where there is none, or it is empty. */
export function openRanged(source: string | URL, who: string): RangedFile {
  const found = statSync(source, { throwIfNoEntry: false });
  if (!found?.isFile())
    throw new Error(`${who}: there is no such file; paths count from the working directory, ${process.cwd()}`);
  if (found.size === 0) throw new Error(`${who}: the file is empty`);
  const fd = openSync(source, "r");
  return {
    size: found.size,
    read: (at, count) =>
      new Promise((resolve, reject) => {
        const bytes = new Uint8Array(count);
        read(fd, bytes, 0, count, at, (error, done) => {
          if (error) reject(error);
          else if (done === count) resolve(bytes);
          else reject(new Error(`${who}: the file ends ${count - done} bytes before byte ${at + count}: was it cut?`));
        });
      }),
  };
}
