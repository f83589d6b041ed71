// The NATS client's own connection, with two ways made shorter for large messages: what comes is read into memory that is
// used again, and what is published goes from the caller's memory to the socket. Encrypted bytes take the client's way in.
import { Socket } from "node:net";
import {
  type ConnectionOptions,
  INFO,
  type NatsConnection,
  NatsConnectionImpl,
  type ServerInfo,
  setTransportFactory,
} from "@nats-io/transport-node";
import { NodeTransport, nodeResolveHost } from "@nats-io/transport-node/lib/node_transport.js";
import { Inlet } from "./inlet.ts";

interface Address {
  readonly hostname: string;
  readonly port: number;
}

/** Connects, in threads of ours alone: every connection of the thread that is made or renewed later has a NatsSocket. */
export function connectDirectly(options: ConnectionOptions): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new NatsSocket(), dnsResolveFn: nodeResolveHost });
  return NatsConnectionImpl.connect(options);
}

export class NatsSocket extends NodeTransport {
  #inlet: Inlet | undefined;
  #info: ServerInfo | undefined;

  override async dial(address: Address): Promise<Socket> {
    if (this.options.tls) return super.dial(address);
    const socket = await this.#greeted(address);
    const said = INFO.exec(new TextDecoder().decode(this.yields[0]))?.[1];
    if (said === undefined) throw new Error("something else than a nats-server");
    const info = JSON.parse(said) as ServerInfo;
    if (!info.tls_required && !info.tls_available) {
      this.#info = info;
      return socket;
    }
    socket.destroy(); // it cannot be encrypted on Deno
    this.yields = [];
    return super.dial(address);
  }

  override peekInfo(): Promise<ServerInfo> {
    return this.#info ? Promise.resolve(this.#info) : super.peekInfo();
  }

  /** Yields what comes; each chunk is used up when the next one is asked for. */
  override async *iterate(): AsyncIterableIterator<Uint8Array> {
    for await (const chunk of super.iterate()) {
      yield chunk;
      this.#inlet?.giveBack(chunk);
    }
  }

  /** Gives up a connection that did not come about: the client would leave it open where the server says nothing. */
  override close(error?: Error): Promise<void> {
    if (!this.connected) this.discard();
    return super.close(error);
  }

  /** Closes at once: the client would first wait for what is still to be written, and nobody reads that. */
  override disconnect(): void {
    void this.close();
  }

  /** Publishes without a copy: `bytes` must not change until all receivers acknowledged them. */
  publish(subject: string, bytes: Uint8Array): void {
    const { socket } = this;
    if (this.isClosed || !socket) return;
    socket.cork();
    socket.write(`PUB ${subject} ${bytes.length}\r\n`, "latin1");
    socket.write(bytes);
    socket.write("\r\n", "latin1");
    socket.uncork();
  }

  /** Connects, and waits for the server's first line. */
  async #greeted({ hostname, port }: Address): Promise<Socket> {
    const inlet = new Inlet();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const read = (count: number): boolean => {
      const chunk = inlet.took(count);
      if (!chunk) return true;
      this.yields.push(chunk);
      this.signal.resolve();
      resolve();
      return true;
    };
    const socket = new Socket({ onread: { buffer: () => inlet.room(), callback: read } });
    this.#inlet = inlet;
    this.socket = socket; // for whoever gives up meanwhile
    socket.once("error", reject).once("close", () => reject(new Error("the server closed the connection")));
    socket.setNoDelay().connect({ host: hostname, port });
    await promise;
    return socket.removeAllListeners();
  }
}
