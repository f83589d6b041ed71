// A link that can be cut: a TCP proxy in front of a server. Cut, it drops its connections and refuses new ones; mute, it
// keeps them and carries nothing.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export class LinkProxy {
  readonly #target: number;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;
  #mute = false;

  constructor(target: number) {
    this.#target = target;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.#port}`;
  }

  /** Carries, again on the same port. */
  async up(): Promise<void> {
    this.#mute = false;
    for (const socket of this.#sockets) socket.resume();
    if (this.#server) return;
    this.#server = createServer((socket) => this.#carry(socket));
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  cut(): void {
    this.#server?.close();
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
  }

  mute(): void {
    this.#mute = true;
    for (const socket of this.#sockets) socket.pause();
  }

  #carry(near: Socket): void {
    const far = connect(this.#target, "127.0.0.1");
    this.#join(near, far);
    this.#join(far, near);
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    if (this.#mute) from.pause();
    from.on("data", (bytes) => {
      if (to.write(bytes) || this.#mute) return;
      from.pause();
      to.once("drain", () => this.#mute || from.resume());
    });
    from.on("error", () => {});
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}
