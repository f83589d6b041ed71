// What a rank says where its device lacks a kernel, or memory: tfjs names neither the model nor a way out.
import { outOfMemory } from "./memory.ts";

/** The same error with what to do, where it is about a kernel that a device lacks, or about memory; else the error itself. */
export function withWayOut(cause: unknown): unknown {
  const { message = "" } = (cause ?? {}) as Partial<Error>;
  const full = outOfMemory(message);
  if (full) return new Error(full, { cause });
  const [, kernel, backend] = /^Kernel '(\S+)' not registered for backend '(\S+)'/.exec(message) ?? [];
  if (!kernel) return cause;
  return new Error(
    `device ${backend} has no kernel "${kernel}", which an operation of the model or the optimizer calls: choose another device ` +
      "(cpu has all of tfjs's), or register one (docs/write-a-device.md)",
    { cause },
  );
}
