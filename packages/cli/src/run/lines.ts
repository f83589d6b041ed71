// What a process writes, taken apart into lines and redrawings of the progress line. Pure: bytes in, pieces out, whatever
// the chunks they come in.

export type Piece =
  | { readonly kind: "line"; readonly text: string }
  /** The progress line, drawn anew. */
  | { readonly kind: "progress"; readonly text: string }
  /** The progress line stays as it is: no other comes. */
  | { readonly kind: "settled" };

/** A progress line as core draws it, from carriage return to "erase the rest"; or the end of a line. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: terminals are told by control characters
const mark = /\r([^\r\n]*)\x1b\[K|\r?\n/g;

/** As a terminal shows it: what follows the last carriage return. */
const shown = (line: string): string => line.slice(line.lastIndexOf("\r") + 1);

export class Lines {
  readonly #decoder = new TextDecoder();
  /** What is known of the line that has not ended, and of a mark that has not. */
  #text = "";
  #rest = "";
  #drawn = false;

  hear(bytes: Uint8Array): Piece[] {
    return this.#take(this.#decoder.decode(bytes, { stream: true }));
  }

  /** What is left when the process has ended. */
  end(): Piece[] {
    const pieces = this.#take(this.#decoder.decode());
    const text = this.#text + this.#rest;
    this.#text = this.#rest = "";
    return text ? [...pieces, { kind: "line", text: shown(text) }] : pieces;
  }

  #take(more: string): Piece[] {
    const text = this.#rest + more;
    const pieces: Piece[] = [];
    let from = 0;
    for (const found of text.matchAll(mark)) {
      this.#text += text.slice(from, found.index);
      from = found.index + found[0].length;
      pieces.push(found[1] === undefined ? this.#newline() : this.#progress(found[1]));
    }
    const open = text.lastIndexOf("\r");
    const ends = open < from ? text.length : open;
    this.#text = shown(this.#text + text.slice(from, ends));
    this.#rest = text.slice(ends);
    return pieces;
  }

  #progress(text: string): Piece {
    this.#drawn = this.#text === "";
    return { kind: "progress", text };
  }

  #newline(): Piece {
    const text = this.#text;
    const settled = this.#drawn && text === "";
    this.#text = "";
    this.#drawn = false;
    return settled ? { kind: "settled" } : { kind: "line", text: shown(text) };
  }
}
