// The door of a lobby: how much is looked at in a second, so that a flood costs a client little of its thread. What is over
// that is dropped unread; everything in a lobby is said again.

/** Bytes of a message, at most: a hello of 256 clients has 20 KiB. */
const largest = 2 ** 18;
/** Messages and bytes a second, and as many at once. */
const rates = { messages: 2000, bytes: 2 ** 23 } as const;

export class Gate {
  #messages: number = rates.messages;
  #bytes: number = rates.bytes;
  #at = performance.now();

  /** Whether a message is let in. Returns why not where it is not. */
  refusal(length: number, now = performance.now()): string | undefined {
    const seconds = (now - this.#at) / 1000;
    this.#at = now;
    this.#messages = Math.min(rates.messages, this.#messages + seconds * rates.messages);
    this.#bytes = Math.min(rates.bytes, this.#bytes + seconds * rates.bytes);
    if (length > largest) return `it has ${length} bytes, at most ${largest}`;
    if (this.#messages < 1 || this.#bytes < length) return `more than ${rates.messages} messages a second`;
    this.#messages -= 1;
    this.#bytes -= length;
    return undefined;
  }
}
