// What a transport that reaches beyond this process builds on: the rings, the board and the memory of the threads
// transport. Loads no tfjs, so that a thread that only moves bytes starts fast. No promise of stability.
export type { Frame, Transport, WireType } from "./transport.ts";
export { Board } from "./transports/board.ts";
export { checkFrame, checkRank } from "./transports/frames.ts";
export type { Heading, Parcel, Place } from "./transports/parcel.ts";
export { Pool } from "./transports/pool.ts";
export { Ring } from "./transports/ring.ts";
export { Incoming, Outbox } from "./transports/stream.ts";
export { joinThreads, type ThreadWiring, wireThreads } from "./transports/threads.ts";
export { Watch } from "./transports/watch.ts";
