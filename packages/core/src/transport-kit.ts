// What a transport that reaches beyond this process builds on: the rings, the board and the memory of the threads
// transport. Loads no tfjs, so that a thread that only moves bytes starts fast. No promise of stability.
export {
  ClosedError,
  fromPlain,
  LostRankError,
  type PlainError,
  RankError,
  StallError,
  toPlain,
  type WaitingRank,
} from "./errors.ts";
export { type DTypeName, elementBytes } from "./transports/dtypes.ts";
export type { Endpoint, Frame } from "./transports/endpoint.ts";
export { checkFrame, checkRank } from "./transports/frames.ts";
export { Pool } from "./transports/pool.ts";
export { Board } from "./transports/threads/counters.ts";
export type { Heading, Parcel, Place } from "./transports/threads/envelope.ts";
export { Ring } from "./transports/threads/ring.ts";
export { Incoming, Outbox } from "./transports/threads/stream.ts";
export { joinThreads, type ThreadWiring, wireThreads } from "./transports/threads/threads.ts";
export { Watch } from "./transports/watch.ts";
