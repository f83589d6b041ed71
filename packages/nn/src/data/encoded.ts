// A text as token numbers, encoded once: the first worker that needs it writes them to the user's folder of temporary files, under a name
// that the text and the tokenizer tell, and the others wait for it.
import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import type { Tokenizer } from "./tokenizer.ts";

const patience = 300_000; // ms to wait for another worker before doing its work
const pause = 50; // ms between two looks

const readIf = (path: string): Uint8Array | undefined => {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
};

/** Whether the process that wrote a lock is there. */
function isAlive(lock: string): boolean {
  const pid = Number(new TextDecoder().decode(readIf(lock)));
  try {
    return !pid || process.kill(pid, 0); // no number yet: it is being written
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Takes a lock; false where another has it. */
function taken(lock: string): boolean {
  try {
    const fd = openSync(lock, "wx");
    writeSync(fd, String(process.pid));
    closeSync(fd);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Content of the file at `path`, which one worker makes. */
function once(path: string, make: () => Uint8Array): Uint8Array {
  const lock = `${path}.lock`;
  const still = new Int32Array(new SharedArrayBuffer(4));
  for (let waited = 0; waited < patience && !taken(lock); waited += pause) {
    const found = readIf(path);
    if (found) return found;
    if (isAlive(lock)) Atomics.wait(still, 0, 0, pause);
    else rmSync(lock, { force: true });
  }
  try {
    const found = readIf(path) ?? make();
    const own = `${path}.${process.pid}-${Math.random()}`;
    writeFileSync(own, found);
    renameSync(own, path); // whole or not at all
    return found;
  } finally {
    rmSync(lock, { force: true });
  }
}

/** Tokens of `bytes`, which are a text in UTF-8. */
export function encoded(bytes: Uint8Array, tokenizer: Tokenizer): Uint16Array | Uint32Array {
  const { vocab, id } = tokenizer;
  const Numbers = vocab <= 65_536 ? Uint16Array : Uint32Array;
  const make = () => Numbers.from(tokenizer.encode(new TextDecoder().decode(bytes)));
  if (id === undefined) return make();
  const folder = join(tmpdir(), `orthant-tokens-${userInfo().username}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const name = createHash("sha256").update(id).update(bytes).digest("hex");
  const found = once(join(folder, `${name}.bin`), () => new Uint8Array(make().buffer));
  return new Numbers(new Uint8Array(found).buffer);
}
