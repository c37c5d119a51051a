/**
 * Text on its way to a terminal or a log: much of it is from elsewhere (names, errors of other programs, what machines
 * write), and none of it may steer the terminal, forge a line or show in another order than it is.
 *
 * @module
 */

/** C0, DEL and C1 controls (ECMA-48), whatever else has no sign of its own (bidi controls, UAX #9), and ends of lines. */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}]/gu;
/** Of these, what does something to a terminal, a log or a program: no name, command or path has it for a good reason. */
const STEERING =
  /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/** The text on one line, where each such character is shown as its code, e.g. `\u{1b}`. */
export function visible(text: string): string {
  return text.replace(
    UNSEEN,
    (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`,
  );
}

/** What is wrong with a text that has a control character, a NUL among them; undefined where it has none. */
export function controlIn(text: string): string | undefined {
  const [found] = STEERING.exec(text) ?? [];
  return found && `has a control character (${visible(found)})`;
}

/** The value as JSON on one line, which says the same as `JSON.stringify` does, without such characters. */
export function visibleJson(value: unknown): string {
  return JSON.stringify(value).replace(
    UNSEEN,
    // In a string of JavaScript such a character beyond the BMP has two units, which are escaped one by one.
    (char) =>
      char.split("").map((unit) =>
        `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`
      ).join(""),
  );
}

/** Items that a line names before it only counts the others. */
const FEW = 3;

/** The first of a list for a line of the log, and how many more there are: `a, b, c and 7 more`. */
export function few(items: readonly string[]): string {
  const more = items.length - FEW;
  const shown = items.slice(0, FEW).join(", ");
  return more > 0 ? `${shown} and ${more} more` : shown;
}
