/**
 * What a process writes, line by line, into the log.
 *
 * @module
 */
import { log } from "../../log.ts";
import { delay } from "../../wait.ts";

/** A longer line is split, so that a process that never ends its line does not fill our memory: UTF-16 units. */
export const MAX_LINE = 8192;

/** How many lines of a machine are taken in how many milliseconds; a long line counts as one more for each 256 units. */
export const MAX_LINES = 2000, INTERVAL_MS = 10_000;
/** After how many lines others have their turn: those that are taken, and those that only have to be counted. */
const LINES_AT_ONCE = 32, DROPPED_AT_ONCE = 10_000;
/** How long a machine has to wait for us in milliseconds that has written so much that we only count. */
const DROPPING_PAUSE_MS = 50;

/** Passes on what a machine writes, so much of it that nobody else has to wait for that, and counts the rest. */
export class LineLimit {
  readonly #emit: (line: string) => void;
  readonly #tell: (message: string) => void;
  #taken = 0;
  #since = 0;
  #weight = 0;
  #dropped = 0;
  #timer?: ReturnType<typeof setTimeout>;

  /** `emit` is given the lines, `tell` how many were dropped. */
  constructor(
    emit: (line: string) => void,
    tell: (message: string) => void,
  ) {
    this.#emit = emit;
    this.#tell = tell;
  }

  /** Emits the line or counts it. Where this returns a promise no more are to be brought before that resolves. */
  take(line: string): Promise<void> | undefined {
    if (this.#dropped === 0) {
      const now = performance.now();
      if (now - this.#since >= INTERVAL_MS) {
        this.#since = now;
        this.#weight = 0;
      }
      this.#weight += 1 + (line.length >> 8);
      if (this.#weight <= MAX_LINES) {
        this.#emit(line);
        return ++this.#taken % LINES_AT_ONCE === 0 ? delay(0) : undefined;
      }
      const rest = this.#since + INTERVAL_MS - now;
      this.#timer = setTimeout(() => this.end(), rest);
    }
    return ++this.#dropped % DROPPED_AT_ONCE === 0
      ? delay(DROPPING_PAUSE_MS)
      : undefined;
  }

  /** Tells how many were dropped, if any, and goes on anew. */
  end(): void {
    clearTimeout(this.#timer);
    if (this.#dropped === 0) return;
    this.#tell(
      `${this.#dropped} lines of its output were dropped: it wrote more than ${MAX_LINES} in ${
        INTERVAL_MS / 1000
      } s`,
    );
    this.#dropped = 0;
    this.#weight = 0;
    this.#since = performance.now();
  }
}

/**
 * Gives each line of the stream to `emit` as it comes, without its end (LF or CR LF); the last one also when it has no
 * end. A line longer than {@linkcode MAX_LINE} comes in pieces; what is not UTF-8 is replaced by U+FFFD.
 * Where `emit` returns a promise, it is waited for. Resolves at the end of the stream; rejects when it fails, or with the reason of `signal`.
 */
export async function forEachLine(
  stream: ReadableStream<BufferSource>,
  emit: (line: string) => unknown,
  signal?: AbortSignal,
): Promise<void> {
  const cut = (line: string): [string, string] => {
    // Not between the two units of one character.
    const end = line.codePointAt(MAX_LINE - 1)! > 0xffff
      ? MAX_LINE - 1
      : MAX_LINE;
    return [line.slice(0, end), line.slice(end)];
  };
  const emitPieces = async (line: string): Promise<string> => {
    while (line.length > MAX_LINE) {
      const [piece, rest] = cut(line);
      await emit(piece);
      line = rest;
    }
    return line;
  };

  let rest = "";
  for await (
    const text of stream.pipeThrough(new TextDecoderStream(), { signal })
  ) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (let line of lines) {
      if (line.length > MAX_LINE) line = await emitPieces(line);
      const pause = emit(line.endsWith("\r") ? line.slice(0, -1) : line);
      if (pause instanceof Promise) await pause;
    }
    if (rest.length > MAX_LINE) rest = await emitPieces(rest);
  }
  if (rest !== "") await emit(rest.endsWith("\r") ? rest.slice(0, -1) : rest);
}

/** Logs the lines of a machine's output until it ends or the signal aborts. */
export async function logOutput(
  machine: string,
  output: readonly ReadableStream<BufferSource>[],
  signal: AbortSignal,
): Promise<void> {
  const limit = new LineLimit(
    (line) => log("machine").info(`${machine}: ${line}`, { machine }),
    (message) => log("machine").warn(`${machine}: ${message}`, { machine }),
  );
  await Promise.all(output.map(async (stream) => {
    try {
      await forEachLine(stream, (line) => limit.take(line), signal);
    } catch (error) {
      if (signal.aborted) return;
      log("backend").warn(
        `${machine}: reading its output: ${(error as Error).message}`,
      );
    }
  }));
  limit.end();
}
