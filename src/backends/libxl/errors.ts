/**
 * What libxl says when a call fails. It returns a bare code; the reasons are in its log.
 *
 * @module
 */

/** `libxl_error` (_libxl_types.h), those that are told apart here. */
export const ERROR = {
  INVAL: -6,
  JSON_CONFIG_EMPTY: -16,
  DOMAIN_NOTFOUND: -21,
  DOMAIN_DESTROYED: -24,
} as const;

/** How many of libxl's messages an error shows. The first is the cause, what follows is what that led to. */
const SHOWN = 3;

/** A failed call, in libxl's own words. */
export class LibxlError extends Error {
  override name = "LibxlError";
  /**
   * @param code a `libxl_error`
   * @param codeName its name, e.g. `ERROR_FAIL`
   * @param log what libxl logged meanwhile
   */
  constructor(readonly code: number, codeName: string, log: string) {
    super(errorMessages(log).slice(0, SHOWN).join("; ") || codeName);
  }
}

/**
 * The messages of a log's errors, each once, without the place in the source and the domain:
 * `libxl: error: libxl_dom.c:594:libxl__build_dom: Domain 3:xc_dom_build_image failed` is `xc_dom_build_image failed`.
 */
export function errorMessages(log: string): string[] {
  const messages = log.split("\n").flatMap((line) => {
    const [, text] = /^[\w-]+: (?:error|critical): (.*)/.exec(line) ?? [];
    if (text === undefined) return [];
    const bare = text
      .replace(/^(?:panic: )?\w+\.c:\d+: ?(?:\w+: ?)?/, "")
      .replace(/^Domain \d+: ?/, "")
      .trim();
    return bare ? [bare] : [];
  });
  return [...new Set(messages)];
}
