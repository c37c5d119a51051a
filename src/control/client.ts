/**
 * The operator's end of the control socket.
 *
 * @module
 */
import { dirname } from "node:path";
import { LineReader, writeText } from "./lines.ts";
import {
  type CommandName,
  ControlError,
  MAX_REPLY_LINE,
  MAX_SILENCE,
  PROTOCOL_VERSION,
  type Refusal,
  type Request,
  Unreachable,
} from "./protocol.ts";
import { deadline } from "../wait.ts";

/** A connection to the daemon. */
export class ControlClient implements Disposable {
  readonly #path: string;
  readonly #connection: Deno.UnixConn;
  readonly #lines: LineReader;

  /**
   * Connects. Rejects with {@linkcode Unreachable}, also where the socket is not the daemon's own: where many can make
   * files, as in /tmp, a stranger could have made it.
   */
  static async connect(
    path: string,
    patience = MAX_SILENCE,
  ): Promise<ControlClient> {
    try {
      await checkOwner(path);
      const connection = await Deno.connect({ transport: "unix", path });
      return new ControlClient(path, connection, patience);
    } catch (error) {
      if (error instanceof Unreachable) throw error;
      throw new Unreachable(`no daemon at ${path}: ${reasonOf(error)}`);
    }
  }

  /** @param patience milliseconds for which nothing may come */
  private constructor(
    path: string,
    connection: Deno.UnixConn,
    patience: number,
  ) {
    this.#path = path;
    this.#connection = connection;
    const read = (buffer: Uint8Array) => this.#within(patience, buffer);
    this.#lines = new LineReader({ read }, MAX_REPLY_LINE);
  }

  /**
   * Asks; yields the items of the reply and returns its result. Throws {@linkcode ControlError} when the daemon refuses,
   * and {@linkcode Unreachable} when it goes away.
   */
  async *call<C extends CommandName>(
    request: Request<C>,
  ): AsyncGenerator<unknown, unknown> {
    try {
      await writeText(
        this.#connection,
        JSON.stringify({ jitsu: PROTOCOL_VERSION, ...request }) + "\n",
      );
    } catch {
      // It may have said why it does not listen: that is still there to be read.
    }
    for (;;) {
      const reply = await this.#read();
      if ("item" in reply) yield reply.item;
      else if ("error" in reply) {
        const { problems, usage } = reply.error as Refusal;
        throw new ControlError(problems, usage);
      } else return reply.result;
    }
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }

  /** The next octets; rejects when none come for so many milliseconds. */
  async #within(limit: number, buffer: Uint8Array): Promise<number | null> {
    return await deadline(
      limit,
      this.#connection.read(buffer),
      () =>
        new Error(
          `no answer for ${
            limit / 1000
          } s: it hangs, or is out of file descriptors; its log may say more`,
        ),
    );
  }

  async #read(): Promise<Record<string, unknown>> {
    let line: string | undefined;
    try {
      line = await this.#lines.read();
    } catch (error) {
      throw new Unreachable(
        `the daemon at ${this.#path}: ${(error as Error).message}`,
      );
    }
    if (line === undefined) {
      throw new Unreachable(`the daemon at ${this.#path} has gone away`);
    }
    return JSON.parse(line);
  }
}

/** The socket must be root's, ours, or of who has its directory, where strangers make no files. */
async function checkOwner(path: string): Promise<void> {
  const { uid } = await Deno.lstat(path);
  if (uid === null || uid === 0 || uid === Deno.uid()) return;
  const directory = await Deno.stat(dirname(path));
  if (uid === directory.uid) return;
  throw new Unreachable(
    `the socket at ${path} belongs to user ${uid}, who may be anybody: if that is the user that Jitsu runs as, give its socket a directory of that user's own with --control`,
  );
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.PermissionDenied) {
    return "it belongs to somebody else: be the user that it runs as, or root";
  }
  if (
    error instanceof Deno.errors.NotFound ||
    error instanceof Deno.errors.ConnectionRefused
  ) {
    return "it does not run, or has its socket elsewhere (see --control)";
  }
  return (error as Error).message;
}
