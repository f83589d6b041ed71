// What a client is started with, and what it reports: plain data that crosses to its thread.
import type { PlainError, ThreadWiring } from "@orthant/core/transport-kit";
import type { LinkOptions } from "./connection/dial.ts";

/** Bytes kept for parts to come, in each direction: what a nats-server holds for one client (max_pending). */
export const poolBytes = 2 ** 26;

export interface ClientJob extends LinkOptions {
  readonly run: string;
  readonly epoch: number;
  readonly launch: string;
  readonly size: number;
  /** Ranks of this process. */
  readonly ranks: readonly number[];
  readonly fingerprint: readonly (readonly [name: string, value: string])[];
  /** None: whoever may publish on the run's subjects is trusted. */
  readonly secret?: Uint8Array | undefined;
  /** Frames are encrypted. */
  readonly encrypt?: boolean;
  readonly wiring: ThreadWiring;
  readonly shared: SharedArrayBuffer;
  /** ms. */
  readonly gather: number;
  readonly silence: number;
  readonly heartbeat: number;
  readonly linger: number;
  /** Bytes. */
  readonly window: number;
  readonly maxFrame: number;
  readonly jetstream?: boolean;
}

export type ClientReport =
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly error: PlainError }
  /** Waits for ranks to meet. */
  | { readonly kind: "waits"; readonly ranks: readonly number[] }
  /** The connection is lost; it is there again after `ms` without. */
  | { readonly kind: "down" }
  | { readonly kind: "up"; readonly ms: number }
  /** Messages were refused, in a line; told at a heartbeat. */
  | { readonly kind: "refused"; readonly what: string }
  /** A client was refused. */
  | { readonly kind: "stranger"; readonly reason: string }
  /** The server cut this process off for being slow: it grants its senders fewer bytes. */
  | { readonly kind: "cut"; readonly window: number }
  | { readonly kind: "done" };

/** The thread of the wiring that stands for all other processes. */
export const clientThread = ({ wiring }: Pick<ClientJob, "wiring">): number => Math.max(...wiring.home);
