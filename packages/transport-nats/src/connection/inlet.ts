// Memory that a connection is read into, used again and again, and given out as whole protocol messages: the NATS client
// then takes payloads as views of it. Left to itself it grows a buffer for each message, about four bytes for each one
// received, and collecting those takes more time than the client's own work. Knows no socket.

const newline = 10;
/** What a server says before a payload; the number is the payload's bytes. Anything else is a line. */
const payloadLine = /^H?MSG .* (\d+)\r\n$/;
/** Largest payload of a nats-server, bytes: what claims more is for the client to refuse. */
const largest = 2 ** 26;

/** Bytes of a page: a message or two, and what still fits the caches. */
const usual = 2 ** 21;
/** Bytes to read at once, at least. */
const leastRoom = 2 ** 16;

const decoder = new TextDecoder();

/** Bytes of the message or line that `bytes` begin with; where it is not whole, more than there are. */
function lengthOf(bytes: Uint8Array): number {
  const line = bytes.indexOf(newline) + 1;
  if (line === 0) return bytes.length + 1;
  const payload = Number(payloadLine.exec(decoder.decode(bytes.subarray(0, line)))?.[1] ?? Infinity);
  return payload > largest ? line : line + payload + 2;
}

/** Memory, and how many chunks of it are given out and not given back. */
interface Page {
  readonly bytes: Uint8Array;
  lent: number;
}

const newPage = (length: number): Page => ({ bytes: new Uint8Array(length), lent: 0 });

export class Inlet {
  #page = newPage(usual);
  /** Where the next bytes go while this page is lent. */
  #spare = newPage(usual);
  /** What is read and not given out. */
  #from = 0;
  #end = 0;
  /** Bytes of what comes next, at least. */
  #need = 1;

  /** Gives memory to read into next. */
  room(): Uint8Array {
    const { length } = this.#page.bytes;
    if (length - this.#from < this.#need || length - this.#end < leastRoom) this.#move();
    return this.#page.bytes.subarray(this.#end);
  }

  /** Hears that `count` bytes were read to `room()`. Returns all that is whole; its memory is not used again before it is given back. */
  took(count: number): Uint8Array | undefined {
    const start = this.#from;
    this.#end += count;
    while (this.#end - this.#from >= this.#need) {
      const rest = this.#page.bytes.subarray(this.#from, this.#end);
      const length = lengthOf(rest);
      const whole = length <= rest.length;
      if (whole) this.#from += length;
      this.#need = whole ? 1 : length;
    }
    if (this.#from === start) return undefined;
    this.#page.lent += 1;
    return this.#page.bytes.subarray(start, this.#from);
  }

  /** Takes back a chunk, or anything: what is of other memory is nobody's. */
  giveBack(chunk: Uint8Array): void {
    for (const page of [this.#page, this.#spare]) if (page.bytes.buffer === chunk.buffer) page.lent -= 1;
  }

  /** What is not given out, to the start of a page that nobody reads and that holds the whole. */
  #move(): void {
    const rest = this.#page.bytes.subarray(this.#from, this.#end);
    const length = Math.max(usual, this.#need + leastRoom);
    const fits = ({ bytes, lent }: Page): boolean => lent === 0 && bytes.length >= length;
    if (!fits(this.#page)) [this.#page, this.#spare] = [fits(this.#spare) ? this.#spare : newPage(length), this.#page];
    this.#page.bytes.set(rest);
    [this.#from, this.#end] = [0, rest.length];
  }
}
