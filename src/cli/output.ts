/**
 * Writing to the terminal, or whatever stdout and stderr are.
 *
 * @module
 */
import { visible } from "../visible.ts";

/** What is wrong, as lines for stderr. Nothing in them steers a terminal, but for the ends of lines. */
export function complaints(problems: readonly string[]): string[] {
  return problems.flatMap((problem) =>
    `jitsu: ${problem}`.split("\n").map(visible)
  );
}

/** Says on stderr what is wrong, a line each. */
export function complain(problems: readonly string[]): void {
  write(
    Deno.stderr,
    complaints(problems).map((line) => `${line}\n`).join(""),
  );
}

/** Writes all of a text. Whoever reads it may stop before its end. */
export function write(
  stream: { writeSync(bytes: Uint8Array): number },
  text: string,
): void {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let at = 0; at < bytes.length;) {
      at += stream.writeSync(bytes.subarray(at));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
