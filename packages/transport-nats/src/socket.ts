// The NATS client's own connection, with two ways made shorter for large messages: what comes is read into memory that is
// used again, and what is published goes from the caller's memory to the socket. Encrypted bytes take the client's way in.
import { Socket } from "node:net";
import { INFO, type ServerInfo } from "@nats-io/transport-node";
import { NodeTransport } from "@nats-io/transport-node/lib/node_transport.js";
import { Inlet } from "./inlet.ts";

interface Address {
  readonly hostname: string;
  readonly port: number;
}

export class NatsSocket extends NodeTransport {
  readonly #inlet = new Inlet();
  readonly #greeted = Promise.withResolvers<void>();

  /** Until the server's first line came. */
  override async dial(address: Address): Promise<Socket> {
    if (this.options.tls) return super.dial(address); // Deno hands an encrypted socket's bytes to nobody but TLS itself
    const onread = { buffer: () => this.#inlet.room(), callback: (count: number) => this.#read(count) };
    const socket = new Socket({ onread });
    this.socket = socket; // for whoever gives up meanwhile
    for (const event of ["error", "close"]) socket.once(event, this.#greeted.reject);
    socket.setNoDelay().connect({ host: address.hostname, port: address.port });
    await this.#greeted.promise;
    return socket.removeAllListeners();
  }

  override peekInfo(): Promise<ServerInfo> {
    const [line] = this.yields;
    const info = line && INFO.exec(new TextDecoder().decode(line))?.[1];
    return info ? Promise.resolve(JSON.parse(info)) : super.peekInfo();
  }

  /** Each chunk is used up when the next one is asked for. */
  override async *iterate(): AsyncIterableIterator<Uint8Array> {
    for await (const chunk of super.iterate()) {
      yield chunk;
      this.#inlet.giveBack(chunk);
    }
  }

  /** A connection that did not come about is given up: the client would leave it open. */
  override close(error?: Error): Promise<void> {
    if (!this.connected) this.discard();
    return super.close(error);
  }

  /** Without a copy: `bytes` must not change until somebody says that they arrived. */
  publish(subject: string, bytes: Uint8Array): void {
    const { socket } = this;
    if (this.isClosed || !socket) return;
    socket.cork();
    socket.write(`PUB ${subject} ${bytes.length}\r\n`, "latin1");
    socket.write(bytes);
    socket.write("\r\n", "latin1");
    socket.uncork();
  }

  #read(count: number): boolean {
    const chunk = this.#inlet.took(count);
    if (!chunk) return true;
    this.yields.push(chunk);
    this.signal.resolve();
    this.#greeted.resolve();
    return true;
  }
}
