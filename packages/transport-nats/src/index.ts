// The transport over NATS: `openNats` for one rank, `startNats` and `joinNats` where a process has several threads.

export type { NatsTransport } from "./endpoint.ts";
export type { Credentials, LinkOptions, Tls } from "./link.ts";
export { joinNats, type NatsOptions, type NatsTicket, openNats, type RunOptions, startNats } from "./open.ts";
export type { Counts } from "./shared.ts";
