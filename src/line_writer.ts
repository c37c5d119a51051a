/**
 * Writes lines to where somebody may or may not read them, and never waits for that: what is written is kept, up to a
 * limit, until it is taken. A full pipe, a stopped terminal or a full disk costs lines, which are counted, and nothing
 * else.
 *
 * @module
 */
import { within } from "./wait.ts";

/** What lines are written to; `Deno.stderr` is one. A write may take less than it was given. */
export interface Sink {
  write(octets: Uint8Array): Promise<number>;
}

/** Octets that are handed on together, where it is more than one line. */
const BATCH = 16 * 1024;

/** A line to be written. */
interface Entry {
  octets: Uint8Array;
  /** How many lines are lost with it: more than one where it is told in the place of others. */
  lines: number;
}

const encoder = new TextEncoder();

/** See the module's comment. */
export class LineWriter {
  readonly #sink: Sink;
  readonly #room: number;
  readonly #sayLost: (count: number) => string;
  #entries: Entry[] = [];
  /** Octets of those. */
  #kept = 0;
  /** Lines lost since the last entry. */
  #lost = 0;
  #writing?: Promise<void>;

  /**
   * @param room octets that are kept at the most
   * @param sayLost the line that says how many are missing in its place
   */
  constructor(sink: Sink, room: number, sayLost: (count: number) => string) {
    this.#sink = sink;
    this.#room = room;
    this.#sayLost = sayLost;
  }

  /** Writes a line as soon as that can be; where too many wait already it is lost. */
  line(text: string): void {
    this.#sayLostLines();
    if (this.#lost > 0 || !this.#push(text, 1)) this.#lost++;
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when all that can be is written, or after so many milliseconds. */
  async settle(limit: number): Promise<void> {
    if (this.#writing) await within(limit, this.#writing);
  }

  #sayLostLines(): void {
    if (this.#lost === 0) return;
    if (this.#push(this.#sayLost(this.#lost), this.#lost)) this.#lost = 0;
  }

  #push(text: string, lines: number): boolean {
    const octets = encoder.encode(`${text}\n`);
    if (this.#kept + octets.length > this.#room) return false;
    this.#entries.push({ octets, lines });
    this.#kept += octets.length;
    return true;
  }

  async #writeAll(): Promise<void> {
    while (this.#entries.length > 0) {
      const isTaken = await this.#writeSome();
      if (isTaken && this.#entries.length === 0) this.#sayLostLines();
    }
    this.#writing = undefined;
  }

  /** Writes the next entries, together; resolves with whether they were taken. */
  async #writeSome(): Promise<boolean> {
    let length = 0, count = 0;
    for (const { octets } of this.#entries) {
      if (count > 0 && length + octets.length > BATCH) break;
      length += octets.length;
      count++;
    }
    const entries = this.#entries.splice(0, count);
    this.#kept -= length;
    const all = new Uint8Array(length);
    let end = 0;
    const ends = entries.map(({ octets }) => {
      all.set(octets, end);
      return end += octets.length;
    });
    let at = 0;
    try {
      while (at < length) at += await this.#sink.write(all.subarray(at));
      return true;
    } catch { // a closed pipe, a full disk: only those who read later lines can be told
      for (const [i, { lines }] of entries.entries()) {
        if (ends[i] > at) this.#lost += lines;
      }
      return false;
    }
  }
}
