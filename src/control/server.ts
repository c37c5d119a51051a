/**
 * The daemon's end of the control socket: takes requests and writes replies. What the requests mean is not known here.
 *
 * One client cannot harm the others or the daemon: what it may send is bounded, what it does not read is not gathered,
 * and one that does neither for a while is left.
 *
 * @module
 */
import { log } from "../log.ts";
import { acceptAll } from "../net/accept.ts";
import { LineReader, LineTooLong, writeText } from "./lines.ts";
import {
  BEAT_INTERVAL,
  ControlError,
  MAX_REQUEST,
  readRequest,
  type Refusal,
  type Request,
} from "./protocol.ts";
import { listen } from "./socket.ts";

/** What a command gives back: JSON, the items one by one. */
export interface Reply {
  items?: Iterable<unknown>;
  result?: unknown;
}

/** Does what is asked; rejects with {@linkcode ControlError} to refuse. */
export type Handler = (request: Request) => Promise<Reply>;

/** The most connections at a time. */
const MAX_CONNECTIONS = 32;
/** Milliseconds that a client may leave us without a request, and without reading a reply. */
const REQUEST_PATIENCE = 60_000, REPLY_PATIENCE = 10_000;
/** Characters of a reply that are written together. */
const BATCH = 32 * 1024;

/** See the module's comment. */
export class ControlServer {
  readonly #listener: Deno.UnixListener;
  readonly #handler: Handler;
  readonly #connections = new Set<Deno.Conn>();
  #isClosed = false;

  /** Listens at the path. Rejects with {@linkcode ControlError}. */
  static async open(path: string, handler: Handler): Promise<ControlServer> {
    return new ControlServer(await listen(path), handler);
  }

  private constructor(listener: Deno.UnixListener, handler: Handler) {
    this.#listener = listener;
    this.#handler = handler;
    acceptAll({
      listener,
      isClosed: () => this.#isClosed,
      take: (connection) => void this.#serve(connection),
      onTrouble: (error) =>
        log("jitsu").warn(
          `accepting a connection at the control socket failed: ${
            (error as Error).message
          }`,
        ),
    });
  }

  /** Ends it, and all connections. The socket's file is removed. */
  close(): void {
    const { path } = this.#listener.addr;
    this.#isClosed = true;
    this.#listener.close();
    try {
      Deno.removeSync(path); // which newer versions of Deno have done by now
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        log("jitsu").warn(`${path}: ${(error as Error).message}`);
      }
    }
    for (const connection of this.#connections) close(connection);
  }

  async #serve(connection: Deno.Conn): Promise<void> {
    this.#connections.add(connection);
    try {
      if (this.#connections.size > MAX_CONNECTIONS) {
        await reply(connection, refusal(["too many connections"]));
        return;
      }
      const lines = new LineReader(connection, MAX_REQUEST);
      for (;;) {
        const line = await within(
          REQUEST_PATIENCE,
          connection,
          () => lines.read(),
        );
        if (line === undefined) return;
        await this.#answer(connection, line);
      }
    } catch (error) {
      if (error instanceof LineTooLong) {
        await reply(connection, refusal([error.message], true)).catch(() => {});
      } else log("jitsu").debug(`control: ${(error as Error).message}`);
    } finally {
      this.#connections.delete(connection);
      close(connection);
    }
  }

  async #answer(connection: Deno.Conn, line: string): Promise<void> {
    let text = "";
    try {
      const { items = [], result = null } = await whileAlive(
        connection,
        () => this.#handler(readRequest(line)),
      );
      for (const item of items) {
        text += JSON.stringify({ item }) + "\n";
        if (text.length < BATCH) continue;
        await reply(connection, text);
        text = "";
      }
      text += JSON.stringify({ result }) + "\n";
    } catch (error) {
      if (error instanceof ConnectionError) throw error;
      if (!(error instanceof ControlError)) {
        log("jitsu").error(`internal error: ${(error as Error).stack}`);
      }
      text += error instanceof ControlError
        ? refusal(error.problems, error.usage)
        : refusal([`internal error: ${(error as Error).message}`]);
    }
    await reply(connection, text);
  }
}

/** The client is gone, or does not read. */
class ConnectionError extends Error {
  override name = "ConnectionError";
}

function refusal(problems: string[], usage = false): string {
  return JSON.stringify({ error: { problems, usage } satisfies Refusal }) +
    "\n";
}

async function reply(connection: Deno.Conn, text: string): Promise<void> {
  try {
    await within(REPLY_PATIENCE, connection, () => writeText(connection, text));
  } catch (error) {
    throw new ConnectionError((error as Error).message);
  }
}

/** Does what may take long, and shows the client meanwhile that it has not been forgotten: white space before the reply. */
async function whileAlive<T>(
  connection: Deno.Conn,
  work: () => Promise<T>,
): Promise<T> {
  let beat = Promise.resolve();
  const timer = setInterval(() => {
    beat = beat.then(() => reply(connection, " ")).catch(() => {}); // who is gone is seen when the reply is written
  }, BEAT_INTERVAL);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    await beat;
  }
}

/** Waits for work on a connection, which is closed when that takes longer than so many milliseconds. */
async function within<T>(
  limit: number,
  connection: Deno.Conn,
  work: () => Promise<T>,
): Promise<T> {
  const timer = setTimeout(() => close(connection), limit);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
  }
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error; // closed already
  }
}
