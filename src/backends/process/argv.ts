/**
 * A command's words, quoted as in a shell (POSIX.1-2024, Shell Command Language, 2.2 Quoting). Only the quoting: no
 * expansion, no redirection, no operators, since no shell ever sees the command.
 *
 * @module
 */

import { ValueError } from "../../values/readers.ts";

const COMMAND = "a program and its arguments";

/** What a backslash inside double quotes escapes; before anything else it stands for itself (POSIX, 2.2.3). */
const ESCAPED_IN_DOUBLE_QUOTES = '$`"\\';

/**
 * Splits a command into the program and its arguments.
 *
 * Throws {@linkcode ValueError} where a quote is left open, the command ends in a backslash, or there is no program.
 */
export function readArgv(command: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: "'" | '"' | undefined;
  let quoteAt = 0;
  for (let i = 0; i < command.length; i++) {
    const char = command[i];
    if (char === quote) {
      quote = undefined;
    } else if (char === "\\" && quote !== "'") {
      if (i + 1 === command.length) {
        throw new ValueError(
          `${COMMAND}: a character is missing after the \\ at the end`,
        );
      }
      const next = command[++i];
      word = (word ?? "") +
        (quote === '"' && !ESCAPED_IN_DOUBLE_QUOTES.includes(next)
          ? char + next
          : next);
    } else if (quote !== undefined) {
      word += char;
    } else if (char === "'" || char === '"') {
      quote = char;
      quoteAt = i;
      word ??= "";
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? "") + char;
    }
  }
  if (quote !== undefined) {
    throw new ValueError(
      `${COMMAND}: another ${quote} is missing to close the one at character ${
        quoteAt + 1
      }`,
    );
  }
  if (word !== undefined) words.push(word);
  if (!words[0]) throw new ValueError(COMMAND);
  return words;
}
