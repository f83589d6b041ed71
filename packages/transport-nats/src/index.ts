// The transport over NATS: `nats` for `train`; `openNats` for one endpoint, `startNats` and `joinNats` for a process with
// several threads; a run's lobby and a nats-server for launchers.

export type { Credentials, LinkOptions, Tls } from "./dial.ts";
export type { NatsTransport } from "./endpoint.ts";
export { type NatsHostOptions, nats } from "./host.ts";
export { type Lobby, type LobbyOptions, openLobby } from "./lobby.ts";
export { joinNats, type NatsOptions, type NatsTicket, openNats, type RunOptions, startNats } from "./open.ts";
export { NatsServer, type ServerOptions } from "./server.ts";
export type { Counts } from "./shared.ts";
