// A client that may publish and subscribe on all subjects of a run, knows how its messages are made, and has not its secret.
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { PartKey } from "../../packages/transport-nats/src/protocol/cipher.ts";
import { type Control, ControlCodec } from "../../packages/transport-nats/src/protocol/control.ts";
import { FrameCodec, type PartHeader } from "../../packages/transport-nats/src/protocol/frame.ts";
import { newPackr } from "../../packages/transport-nats/src/protocol/packed.ts";
import { setOf } from "../../packages/transport-nats/src/protocol/subjects.ts";

export interface Heard {
  readonly subject: string;
  readonly bytes: Uint8Array;
}

/** Bytes of the tag before a frame's prefix of 8. */
const tag = 16;
/** Messages after which it waits for the server. */
const breath = 200;

export class Attacker {
  readonly run: string;
  /** Messages of the run that went by: frames, states, and what was said in the lobby. */
  readonly frames: Heard[] = [];
  readonly lobby: Heard[] = [];
  readonly states: Heard[] = [];
  /** The same of the run before this one. */
  readonly past: Heard[] = [];
  /** Messages published. */
  sent = 0;
  readonly #connection: NatsConnection;
  readonly #codec = new FrameCodec();
  readonly #packr = newPackr();
  readonly #guessed = new ControlCodec(new Uint8Array(32).fill(7));
  readonly #open = new ControlCodec();
  readonly #wrong = new PartKey("aes-256-gcm", new Uint8Array(32).fill(7), false);

  private constructor(connection: NatsConnection, run: string) {
    this.#connection = connection;
    this.run = run;
  }

  static async connect(servers: string, run: string): Promise<Attacker> {
    const attacker = new Attacker(await connect({ servers, noEcho: true }), run);
    attacker.#listen();
    return attacker;
  }

  async say(subject: string, bytes: Uint8Array): Promise<void> {
    this.#connection.publish(`orthant.${this.run}.${subject}`, bytes);
    this.sent += 1;
    if (this.sent % breath === 0) await this.#connection.flush();
  }

  /** Says a control message with the tag of another secret, or with none. */
  control(subject: string, message: Control): Promise<void> {
    return this.say(subject, (this.sent % 2 ? this.#guessed : this.#open).encode(message));
  }

  /** Reads the header of a frame that went by. */
  headOf({ bytes }: Heard): PartHeader {
    const length = new DataView(bytes.buffer, bytes.byteOffset + tag).getUint32(0, true);
    const fields = this.#packr.unpack(bytes.subarray(tag + 8, tag + 8 + length)) as never[];
    const [, run, epoch, seq, from, key, dtype, wire, shape, part, parts] = fields;
    return { run, epoch, seq, from, key, dtype, wire, shape, part, parts } as unknown as PartHeader;
  }

  /** Makes a frame as a run of another secret would, or one without. */
  frame(head: PartHeader, data: Uint8Array): Uint8Array {
    return this.#codec.encode(head, data, this.sent % 2 ? this.#wrong : undefined);
  }

  /** Names the clients that said hello: no secret is needed to read. */
  clients(): string[] {
    const said = this.lobby.map(({ bytes }) => this.#open.claimed(bytes));
    return [...new Set(said.flatMap((message) => (message?.kind === "hello" ? [message.id] : [])))];
  }

  /** Keeps what was heard so far as that of a run before. */
  turnPage(): void {
    for (const list of [this.frames, this.states, this.lobby]) this.past.push(...list.splice(0));
  }

  /** Resolves when the server has all. */
  flush(): Promise<void> {
    return this.#connection.flush();
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  #listen(): void {
    this.#connection.subscribe(`orthant.${this.run}.>`, {
      callback: (_, { subject, data }) => {
        const short = subject.slice(`orthant.${this.run}.`.length);
        const list = short === "lobby" ? this.lobby : short.includes(".data.") ? this.frames : this.states;
        if (list.length < 5000) list.push({ subject: short, bytes: data.slice() });
      },
    });
  }
}

/** The subject of what `from` sends to one rank. */
export const dataTo = (epoch: number, rank: number, from: number): string => `${epoch}.data.${setOf([rank])}.${from}`;
