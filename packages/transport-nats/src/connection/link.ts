// One connection to NATS: what is published and heard over it, and whether it is up. What is published while it is down is
// lost. Knows no ranks.
import {
  connect as connectPlainly,
  type NatsConnection,
  type NatsConnectionImpl,
  PermissionViolationError,
} from "@nats-io/transport-node";
import { type Connect, dial, type LinkOptions, wayOut } from "./dial.ts";
import { NatsSocket } from "./socket.ts";

export interface LinkEvents {
  /** `cut` where the server ended the connection and soon took a new one: it does so with slow consumers, and says no word. */
  readonly onUp: (cut: boolean) => void;
  readonly onDown: () => void;
}

/** ms without a connection after which it was no server that cut it. */
const cutWithin = 2000;

/** Bytes of a message that hold the header of any frame, and a little data. */
const leastPayload = 8192;

export class Link {
  /** Bytes of a message, at most. */
  readonly maxPayload: number;
  /** Whether the server has JetStream. */
  readonly jetstream: boolean;
  #up = true;
  /** What the server said last that was an error. */
  #said = "";
  readonly #connection: NatsConnection;
  readonly #refused: (error: Error) => void;

  private constructor(connection: NatsConnection, refused: (error: Error) => void) {
    this.#connection = connection;
    this.#refused = refused;
    this.maxPayload = connection.info?.max_payload ?? 0;
    this.jetstream = connection.info?.jetstream ?? false;
  }

  /** Connects; `refused` hears why it cannot go on: the server does not allow a subject, or takes only smaller messages. */
  static async open(
    options: LinkOptions,
    refused: (error: Error) => void,
    connect: Connect = connectPlainly,
  ): Promise<Link> {
    const link = new Link(await dial(options, connect), refused);
    if (link.maxPayload >= leastPayload) return link;
    await link.close();
    throw new Error(
      `max_payload ${link.maxPayload} of the server is too small for a header of a frame: set it to 1MB, at least to ${leastPayload}`,
    );
  }

  /** What the server said last that was an error; nothing where it did not. */
  get said(): string {
    return this.#said && ` (it says: ${this.#said})`;
  }

  /** Whether it is connected. */
  get up(): boolean {
    return this.#up;
  }

  /** Publishes `bytes`, which must not change until all receivers acknowledged them. True where they went out. */
  publish(subject: string, bytes: Uint8Array): boolean {
    const most = this.#connection.info?.max_payload ?? bytes.length;
    if (bytes.length > most)
      this.#refused(new Error(`max_payload ${most} of the server is too small for ${bytes.length} bytes: raise it`));
    if (!this.#up || bytes.length > most) return false;
    const { protocol } = this.#connection as NatsConnectionImpl;
    if (!protocol.connected) return false;
    if (protocol.transport instanceof NatsSocket) protocol.transport.publish(subject, bytes);
    else this.#connection.publish(subject, bytes);
    return true;
  }

  /** Calls `hear` with each message; it must not keep the bytes: their memory is used again. */
  subscribe(subject: string, hear: (bytes: Uint8Array) => void): void {
    this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (error) this.#refused(new Error(`the server does not allow ${subject}: grant the run's subjects`));
        else this.#hear(hear, message.data);
      },
    });
  }

  /** The client would take an error of ours for a broken connection, and make a new one for ever. */
  #hear(hear: (bytes: Uint8Array) => void, bytes: Uint8Array): void {
    try {
      hear(bytes);
    } catch (error) {
      this.#refused(error as Error);
    }
  }

  /** Tells of lost and new connections until closed. */
  async watch({ onUp, onDown }: LinkEvents): Promise<void> {
    let [server, since] = [this.#connection.info?.server_id, 0];
    for await (const status of this.#connection.status()) {
      if (status.type === "disconnect" && this.#up) {
        [this.#up, since] = [false, performance.now()];
        onDown();
      }
      if (status.type === "reconnect") {
        const before = server;
        server = this.#connection.info?.server_id;
        const soon = performance.now() - since < cutWithin;
        const cut = (before === server && soon) || /slow consumer/i.test(this.#said);
        [this.#up, this.#said] = [true, ""];
        onUp(cut);
      }
      if (status.type === "error") this.#tell(status.error);
    }
  }

  /** Hears an error of the server. */
  #tell(error: Error): void {
    this.#said = error.message;
    if (error instanceof PermissionViolationError)
      this.#refused(new Error(`the server does not allow a subject: grant the run's (${error.message})`));
    const way = this.#up ? wayOut(error.message) : undefined;
    if (way) this.#refused(new Error(`the server says "${error.message}": ${way}`));
  }

  /** Closes it once the server has all that was published, or a second passed. */
  async close(): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, 1000);
    if (this.#up) await Promise.race([this.#connection.flush().catch(() => {}), late.promise]);
    clearTimeout(timer);
    await this.#connection.close();
  }
}
