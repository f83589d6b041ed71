// What a file of `backends/` exports, by which tfjs-core's suite runs on a device: `start`. Types only.

/** The backend that the suite is to run on, and whether tensors can be read there at once. */
export interface Tested {
  readonly backendName: string;
  readonly isDataSync: boolean;
}

/** Registers a backend with tfjs, with the kernels of our device where `ours`, else as it comes. */
export type TestBackend = (ours: boolean) => Promise<Tested>;
