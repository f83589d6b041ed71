// What a rank says where its device lacks a kernel: tfjs names it when it is called, and neither the model nor a way out.

/** The same error with what to do, where it is about a kernel that a device lacks; else the error itself. */
export function withWayOut(cause: unknown): unknown {
  const [, kernel, backend] =
    /^Kernel '(\S+)' not registered for backend '(\S+)'/.exec((cause as Error)?.message) ?? [];
  if (!kernel) return cause;
  return new Error(
    `device ${backend} has no kernel "${kernel}", which an operation of the model or the optimizer calls: choose another device ` +
      "(cpu has all of tfjs's), or register one (docs/write-a-device.md)",
    { cause },
  );
}
