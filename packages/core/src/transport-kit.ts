// What a transport that reaches beyond this process builds on: the rings, the counters and the memory of the threads
// transport, the shape of a key, the errors that waits end with. Loads no tfjs, so that a thread that only moves bytes
// starts fast. No promise of stability.
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
export { atOfKey, axisOfKey, callOfKey, messageKey, world } from "./transports/key.ts";
export { Pool } from "./transports/pool.ts";
export { Counters } from "./transports/threads/counters.ts";
export type { Envelope, Heading, Place } from "./transports/threads/envelope.ts";
export { Ring } from "./transports/threads/ring.ts";
export { Incoming, Outbox } from "./transports/threads/stream.ts";
export { joinThreads } from "./transports/threads/threads.ts";
export { homesOf, type ThreadWiring, wireThreads } from "./transports/threads/wiring.ts";
export { ranksHere, type Transport, type TransportJob } from "./transports/transport.ts";
export { Watch } from "./transports/watch.ts";
