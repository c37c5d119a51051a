/**
 * Whose a machine is: whether this Jitsu started what runs, and whether another one is asked for it too. Both stand on the
 * machine where its backend has a place for a mark, twice a TTL at the most. Marks are written and read beside everything else: no answer, no start
 * and no stop in flight waits for one.
 *
 * @module
 */
import type { Calls } from "./calls.ts";
import { formatMark, type Mark, readMark } from "./mark.ts";
import { messageOf, type UnikernelLog } from "./text.ts";

/** Milliseconds between two looks at whether it was asked for: so late others hear of the first request after a while. */
const LOOK_INTERVAL = 1000;

/** What {@linkcode Ownership} is told of the unikernel at each moment. */
export interface Use {
  /** When it was asked for last, by the summoner's clock; `-Infinity` when it never was. */
  lastRequest: number;
  /** Milliseconds after that for which it is not to be stopped. */
  idleTime: number;
  /** Seconds. */
  ttl: number;
}

/** See the module's comment; of one machine. */
export class Ownership {
  /** Whether this Jitsu started the run that goes on. */
  started = false;

  readonly #id: string;
  readonly #now: () => number;
  readonly #log: UnikernelLog;
  readonly #use: () => Use;
  readonly #calls: Calls;
  #timer?: ReturnType<typeof setTimeout>;
  #writing = false;
  /** What the mark that was written last says of us, so that it is written only when there is news. */
  #written?: string;
  /** When that was; also in vain, so that a place that cannot be written is not asked more often. */
  #wroteAt = -Infinity;
  #unwritable = false;
  /** What each other Jitsu has said when we looked last, and when that was, by our clock. */
  readonly #seen = new Map<string, { at: number; since: number }>();

  /** `id` is this Jitsu's; `now` the summoner's clock. */
  constructor(
    calls: Calls,
    id: string,
    now: () => number,
    log: UnikernelLog,
    use: () => Use,
  ) {
    this.#calls = calls;
    this.#id = id;
    this.#now = now;
    this.#log = log;
    this.#use = use;
  }

  /** Finds out whether this Jitsu started a machine that it finds running: `before` is what it knows where no mark tells. */
  async recall(before: boolean): Promise<void> {
    const mark = await this.#read();
    this.started = mark?.startedBy === undefined
      ? before
      : mark.startedBy === this.#id;
  }

  /** The machine runs: from now on the mark tells whenever it was asked for, some time after that. */
  begin(): void {
    if (!this.#calls.hasMark) return;
    this.#written = undefined;
    this.#write();
    if (this.#timer === undefined) this.#later();
  }

  /** The machine runs no longer. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#seen.clear();
  }

  /** Whether there can be others who are asked for it. */
  get isShared(): boolean {
    return this.#calls.hasMark;
  }

  /**
   * Milliseconds for which the machine is in use at another Jitsu, as far as its mark says; 0 where it is not. A clock that
   * is ahead over there does not keep the machine for ever: a time that is the same after a whole idle time is over.
   */
  async usedElsewhere(): Promise<number> {
    const mark = await this.#read();
    let longest = 0;
    for (const [id, { at, idleTime }] of mark?.asked ?? []) {
      if (id === this.#id) continue;
      const seen = this.#seen.get(id);
      const since = seen?.at === at ? seen.since : this.#now();
      this.#seen.set(id, { at, since });
      const byTheirs = at + idleTime - Date.now();
      const byOurs = since + idleTime - this.#now();
      longest = Math.max(longest, Math.min(byTheirs, byOurs));
    }
    return longest;
  }

  #later(): void {
    this.#timer = setTimeout(() => {
      const half = this.#use().ttl * 1000 / 2;
      if (this.#now() - this.#wroteAt >= half) this.#write();
      this.#later();
    }, LOOK_INTERVAL);
  }

  async #read(): Promise<Mark | undefined> {
    if (!this.#calls.hasMark) return undefined;
    try {
      return readMark(await this.#calls.readMark());
    } catch (error) {
      this.#log("debug", `its mark cannot be read: ${messageOf(error)}`);
    }
  }

  /** Never rejects; one at a time. */
  async #write(): Promise<void> {
    const { lastRequest, idleTime } = this.#use();
    const news = `${this.started} ${lastRequest}`;
    if (this.#writing || news === this.#written) return;
    this.#writing = true;
    if (lastRequest !== -Infinity) this.#wroteAt = this.#now();
    try {
      const mark = readMark(await this.#calls.readMark());
      if (this.started) mark.startedBy = this.#id;
      else if (mark.startedBy === this.#id) mark.startedBy = undefined;
      for (const [id, { at, idleTime }] of mark.asked) {
        if (at + idleTime < Date.now()) mark.asked.delete(id);
      }
      if (lastRequest !== -Infinity) {
        const at = Date.now() - (this.#now() - lastRequest);
        mark.asked.set(this.#id, { at, idleTime });
      }
      const text = formatMark(mark);
      if (text !== "" && this.#timer !== undefined) {
        await this.#calls.writeMark(text);
      }
      this.#written = news;
      this.#unwritable = false;
    } catch (error) {
      if (!this.#unwritable && this.#timer !== undefined) {
        this.#unwritable = true;
        const message = messageOf(error);
        this.#log(
          "warn",
          `no mark can be left on it (${message}): another Jitsu may stop it while it is in use here`,
        );
      }
    } finally {
      this.#writing = false;
    }
  }
}
