// What a device says that computes in one thread of a process only, where ranks are spread over several. One file, so that it is
// said alike before and after threads start.

/** Says it in one line, with the ways out. */
export const oneThread = (device: string, ranks = 2): string =>
  `device ${device} computes in one thread of a process, and ${ranks} ranks are in threads of one: give each rank a process ` +
  `(orthant run --ranks ${ranks} SCRIPT), put all in one thread (transport: memory()), or choose wasm`;
