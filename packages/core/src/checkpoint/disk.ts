// Files that are whole or not there: written under another name, flushed, renamed, and the rename flushed too.
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

export const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/** Flushes the names in a folder, where the system can: Windows keeps no such promise. */
export async function flushFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  await handle.sync().finally(() => handle.close());
}

/** Replaces the file at `path`, or leaves it as it was. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const beside = `${path}.tmp`;
  try {
    await rm(beside, { force: true });
    await writeFlushed(beside, new TextEncoder().encode(text));
    await rename(beside, path);
    await flushFolder(dirname(path));
  } catch (cause) {
    await rm(beside, { force: true }).catch(() => {});
    throw new Error(`cannot write ${path}: ${reasonOf(cause)}`, { cause });
  }
}

/** Writes a file that is not there yet, and flushes it. */
export async function writeFlushed(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, "wx");
  try {
    await writeAt(handle, bytes, 0);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes all bytes, in as many calls as the system wants. */
export async function writeAt(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
}

/** Reads `bytes.length` bytes, in as many calls as the system wants. Throws where the file ends before. */
export async function readAt(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, at + done);
    if (bytesRead === 0) throw new Error(`it ends at byte ${at + done}, and byte ${at + bytes.length} was wanted`);
    done += bytesRead;
  }
}
