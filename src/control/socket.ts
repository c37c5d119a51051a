/**
 * The control socket as a file: who may connect to it, and whose it is.
 *
 * @module
 */
import { dirname } from "node:path";
import { ControlError } from "./protocol.ts";

/** Octets of a path in sockaddr_un, without the NUL at its end (unix(7)). */
const MAX_PATH = 107;

/**
 * Listens at the path, with mode 0600 from the first moment on. Its directory is made, for its owner alone, where there
 * is none. A socket file that nobody listens at is replaced. Rejects with {@linkcode ControlError}.
 */
export async function listen(path: string): Promise<Deno.UnixListener> {
  const { length } = new TextEncoder().encode(path);
  if (length > MAX_PATH) {
    throw failure(
      path,
      `its path has ${length} octets, more than the ${MAX_PATH} that a socket's may have`,
    );
  }
  const directory = dirname(path);
  try {
    await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
    // Two that start at the same moment must not both find the other's socket stale: the directory is locked meanwhile.
    using lock = await Deno.open(directory);
    await lock.lock(true);
    return await bind(path);
  } catch (error) {
    if (error instanceof ControlError) throw error;
    throw failure(path, (error as Error).message);
  }
}

async function bind(path: string): Promise<Deno.UnixListener> {
  const info = await Deno.lstat(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  if (info !== undefined) {
    if (!info.isSocket) {
      throw failure(path, "there is a file that is no socket");
    }
    if (await isAnswered(path)) {
      throw failure(path, "another daemon has it");
    }
    await Deno.remove(path);
  }
  // In between nothing else of this process runs that could make a file.
  const umask = Deno.umask(0o177);
  try {
    return Deno.listen({ transport: "unix", path });
  } finally {
    Deno.umask(umask);
  }
}

/** Whether somebody listens at a socket file. */
async function isAnswered(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}

function failure(path: string, why: string): ControlError {
  return new ControlError([
    `no control socket at ${path}: ${why}; choose another with --control, or none with --control none`,
  ]);
}
