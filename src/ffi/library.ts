/**
 * Finding and opening a shared library. The only file that calls `Deno.dlopen`.
 *
 * What a library is called and what it holds is data beside each binding; this file knows none of them.
 *
 * @module
 */

/** A shared library, as systems have it installed. */
export interface Library {
  /** What people call it, for messages. */
  name: string;
  /**
   * What to open, in order: sonames, which the dynamic linker looks for (`LD_LIBRARY_PATH`, `ld.so.cache`), and
   * absolute paths. Iterated each time the library is opened, so it may look at what is installed.
   */
  candidates: Iterable<string>;
  /** How to install it, a sentence part that follows "install it with": `apt-get install libvirt0 (Debian, Ubuntu)`. */
  install: readonly string[];
}

/** None of a library's candidates could be opened. The message is one line: what was tried, why not, what to install. */
export class LibraryError extends Error {
  override name = "LibraryError";
}

/** Deno says "Could not open library: " once a layer and repeats the candidate. */
function reason(error: unknown, candidate: string): string {
  return (error as Error).message
    .replaceAll("Could not open library: ", "")
    .replace(`${candidate}: `, "")
    .replaceAll(/\s*\n\s*/g, " ");
}

/**
 * Opens the first candidate that can be opened and has every symbol.
 *
 * @throws {LibraryError} when none can
 */
export function openLibrary<const S extends Deno.ForeignLibraryInterface>(
  library: Library,
  symbols: S,
): Deno.DynamicLibrary<S> {
  const tried: string[] = [];
  for (const candidate of library.candidates) {
    try {
      return Deno.dlopen(candidate, symbols);
    } catch (error) {
      tried.push(`${candidate} (${reason(error, candidate)})`);
    }
  }
  throw new LibraryError(
    `cannot open the ${library.name} library; tried ${
      tried.join(", ") || "nothing: no file that could be it is installed"
    }; install it with ${library.install.join(" or ")}`,
  );
}

/**
 * A function that returns a library's functions, and opens it when it is first called.
 *
 * @param Failure what that throws, with the message of {@linkcode LibraryError}, when it cannot be opened
 */
export function lazyLibrary<const S extends Deno.ForeignLibraryInterface>(
  library: Library,
  symbols: S,
  Failure: new (message: string) => Error,
): () => Deno.DynamicLibrary<S>["symbols"] {
  let opened: Deno.DynamicLibrary<S>["symbols"] | undefined;
  return () => {
    try {
      return opened ??= openLibrary(library, symbols).symbols;
    } catch (error) {
      if (error instanceof LibraryError) throw new Failure(error.message);
      throw error;
    }
  };
}
