// The transport over NATS: `nats` for `train`; `openNats` for one endpoint, `startNats` and `joinNats` for a process with
// several threads; a run's lobby, its machines and a nats-server for launchers.

export type { Credentials, LinkOptions, Tls } from "./connection/dial.ts";
export { NatsServer, type ServerOptions } from "./connection/server.ts";
export { type Lobby, type LobbyOptions, openLobby } from "./meeting/lobby.ts";
export { type Machines, type MachinesOptions, type Next, openMachines } from "./meeting/machines.ts";
export type { Start } from "./meeting/roster.ts";
export { type NatsOptions, nats } from "./nats.ts";
export type { NatsEndpoint } from "./process/endpoint.ts";
export {
  joinNats,
  type NatsEndpointOptions,
  type NatsTicket,
  openNats,
  type RunOptions,
  startNats,
} from "./process/open.ts";
export type { Counts } from "./shared.ts";
