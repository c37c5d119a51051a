/**
 * The operator's end of the control socket.
 *
 * @module
 */
import { LineReader, writeText } from "./lines.ts";
import {
  type CommandName,
  ControlError,
  MAX_REPLY_LINE,
  PROTOCOL_VERSION,
  type Refusal,
  type Request,
  Unreachable,
} from "./protocol.ts";

/** A connection to the daemon. */
export class ControlClient implements Disposable {
  readonly #path: string;
  readonly #connection: Deno.UnixConn;
  readonly #lines: LineReader;

  /** Connects. Rejects with {@linkcode Unreachable}. */
  static async connect(path: string): Promise<ControlClient> {
    try {
      const connection = await Deno.connect({ transport: "unix", path });
      return new ControlClient(path, connection);
    } catch (error) {
      throw new Unreachable(`no daemon at ${path}: ${reasonOf(error)}`);
    }
  }

  private constructor(path: string, connection: Deno.UnixConn) {
    this.#path = path;
    this.#connection = connection;
    this.#lines = new LineReader(connection, MAX_REPLY_LINE);
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
