// How a part of a frame is sealed: a tag over all of it, the data encrypted or not. AES-GCM (McGrew and Viega, 2004; NIST SP
// 800-38D) where every client of the run has it in hardware, ChaCha20-Poly1305 (RFC 8439) where one has not and all have that.
// A key seals one stream, the number of a part is its nonce. Knows no header.
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  getCiphers,
  type KeyObject,
  timingSafeEqual,
} from "node:crypto";

const ciphers = ["aes-256-gcm", "chacha20-poly1305"] as const;
export type Cipher = (typeof ciphers)[number];

/** Bytes of a tag; it opens the message. */
export const tagBytes = 16;
const options = { authTagLength: tagBytes };

/** Bytes that are sealed to see how fast a cipher is here. */
const probe = 2 ** 18;

function timeOf(cipher: Cipher): number {
  const [key, bytes] = [new PartKey(cipher, new Uint8Array(32), false), new Uint8Array(probe)];
  key.seal(bytes, probe, 0);
  const from = performance.now();
  key.seal(bytes, probe, 1);
  return performance.now() - from;
}

/** Lists the ciphers of this runtime, the fastest first: on Deno that is ChaCha20-Poly1305, which Bun lacks. */
export function ciphersHere(): Cipher[] {
  const known = new Set(getCiphers());
  const times = new Map(ciphers.filter((cipher) => known.has(cipher)).map((cipher) => [cipher, timeOf(cipher)]));
  return [...times.keys()].sort((a, b) => (times.get(a) as number) - (times.get(b) as number));
}

/** Picks the cipher of a run, given what each client has, the fastest first: one that all have, and nobody has as a bad second. */
export function cipherOf(lists: readonly (readonly string[])[]): Cipher {
  const worst = (cipher: Cipher): number => Math.max(...lists.map((list) => list.indexOf(cipher)));
  const common = ciphers.filter((cipher) => lists.every((list) => list.includes(cipher)));
  const found = common.toSorted((a, b) => worst(a) - worst(b) || (a === "chacha20-poly1305" ? -1 : 1))[0];
  if (found) return found;
  throw new Error(`no cipher that all runtimes have: ${lists.map((list) => list.join(" or ")).join("; ")}`);
}

/** Seals and opens the parts of one stream. */
export class PartKey {
  readonly #cipher: Cipher;
  /** No bytes: those Node would make a key of at each use, which takes four times as long as sealing a small part. */
  readonly #key: KeyObject;
  readonly #encrypt: boolean;

  /** `key` has 32 bytes. */
  constructor(cipher: Cipher, key: Uint8Array, encrypt: boolean) {
    this.#cipher = cipher;
    this.#key = createSecretKey(key);
    this.#encrypt = encrypt;
  }

  /** Seals a message whose data begin at `at`: encrypts them in place where it encrypts, writes the tag. `seq` never twice. */
  seal(message: Uint8Array, at: number, seq: number): void {
    const sealed = this.#cipherOf(message, at, seq);
    if (this.#encrypt) message.set(sealed.update(message.subarray(at)), at);
    sealed.final();
    message.set(sealed.getAuthTag());
  }

  /** Returns the data of a message that this key sealed under `seq`; undefined where it did not. */
  open(message: Uint8Array, at: number, seq: number): Uint8Array | undefined {
    return this.#encrypt ? this.#decrypted(message, at, seq) : this.#checked(message, at, seq);
  }

  #checked(message: Uint8Array, at: number, seq: number): Uint8Array | undefined {
    const sealed = this.#cipherOf(message, at, seq);
    sealed.final();
    const same = timingSafeEqual(sealed.getAuthTag(), message.subarray(0, tagBytes));
    return same ? message.subarray(at) : undefined;
  }

  #decrypted(message: Uint8Array, at: number, seq: number): Uint8Array | undefined {
    const opened = createDecipheriv(this.#cipher as "aes-256-gcm", this.#key, nonceOf(seq), options);
    opened.setAAD(message.subarray(tagBytes, at), { plaintextLength: message.length - at });
    opened.setAuthTag(message.subarray(0, tagBytes));
    try {
      const data = opened.update(message.subarray(at));
      opened.final();
      return data;
    } catch {
      return undefined;
    }
  }

  /** Begins to seal: what is not encrypted counts for the tag too. */
  #cipherOf(
    message: Uint8Array,
    at: number,
    seq: number,
  ): ReturnType<typeof createCipheriv> & { getAuthTag(): Buffer } {
    const sealed = createCipheriv(this.#cipher as "aes-256-gcm", this.#key, nonceOf(seq), options);
    const open = this.#encrypt ? at : message.length;
    sealed.setAAD(message.subarray(tagBytes, open), { plaintextLength: message.length - open });
    return sealed;
  }
}

/** Twelve bytes: the number, little-endian. */
function nonceOf(seq: number): Uint8Array {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setBigUint64(0, BigInt(seq), true);
  return nonce;
}
