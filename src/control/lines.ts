/**
 * Lines of text over a socket, of bounded length.
 *
 * @module
 */

/** A line is longer than it may be. */
export class LineTooLong extends Error {
  override name = "LineTooLong";
}

/** The lines that come over a connection; the last one counts only with its newline. */
export class LineReader {
  readonly #source: { read(buffer: Uint8Array): Promise<number | null> };
  readonly #max: number;
  readonly #decoder = new TextDecoder();
  #kept = new Uint8Array(0);

  /** @param max octets of a line */
  constructor(
    source: { read(buffer: Uint8Array): Promise<number | null> },
    max: number,
  ) {
    this.#source = source;
    this.#max = max;
  }

  /** The next line without its newline; `undefined` at the end. Rejects with {@linkcode LineTooLong}. */
  async read(): Promise<string | undefined> {
    const chunk = new Uint8Array(16 * 1024);
    for (let searched = 0;;) {
      const newline = this.#kept.indexOf(10, searched);
      if (newline >= 0) {
        const line = this.#decoder.decode(this.#kept.subarray(0, newline));
        this.#kept = this.#kept.slice(newline + 1);
        return line;
      }
      searched = this.#kept.length;
      if (searched > this.#max) {
        throw new LineTooLong(`a line of more than ${this.#max} octets`);
      }
      const count = await this.#source.read(chunk);
      if (count === null) return undefined;
      const kept = new Uint8Array(searched + count);
      kept.set(this.#kept);
      kept.set(chunk.subarray(0, count), searched);
      this.#kept = kept;
    }
  }
}

/** Writes all of a text. */
export async function writeText(
  sink: { write(bytes: Uint8Array): Promise<number> },
  text: string,
): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) {
    at += await sink.write(bytes.subarray(at));
  }
}
