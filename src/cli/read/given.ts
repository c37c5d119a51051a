/**
 * From the texts that an option was given, on the command line or in a file, to its value.
 *
 * @module
 */
import type { Option } from "./options.ts";
import { controlIn } from "../../visible.ts";
import { quoted } from "../text.ts";
import { ValueError } from "./values.ts";

/** What an option was given, once. */
export interface Given {
  text: string;
  /** Which option it is and where it stands, for messages: `"option --ttl"`, `"jitsu.toml:3: ttl"`. */
  readonly where: string;
}

/**
 * The value of an option: an array of values where it is repeatable, true or false where it is a flag, `undefined`
 * where it was not given and has no default. What is wrong is added to `problems`, a line each; it is as if it had not
 * been given then.
 */
export function readOption(
  option: Option,
  given: readonly Given[],
  problems: string[],
): unknown {
  const { read } = option;
  if (read === undefined) return given.length > 0;
  const values = given.flatMap((each) => {
    const { text: typed } = each;
    const text = typed === "" ? option.bare : typed;
    if (text === undefined) {
      problems.push(`${each.where} needs a value: ${option.value}`);
      return [];
    }
    const wrong = controlIn(text);
    if (wrong !== undefined) {
      problems.push(`${each.where} ${quoted(text)} ${wrong}`);
      return [];
    }
    try {
      return [read(text)];
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      problems.push(`${each.where} ${quoted(text)} is not ${error.message}`);
      return [];
    }
  });
  if (option.repeatable) return values;
  if (given.length > 1) {
    problems.push(
      `${given[0].where} is given ${given.length} times, once is the most`,
    );
  }
  if (values.length > 0) return values.at(-1);
  return option.absent === undefined ? undefined : read(option.absent);
}
