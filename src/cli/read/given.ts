/**
 * From the texts that an option was given, on the command line or in a file, to its value.
 *
 * @module
 */
import { type Given, type Option, readValue } from "../../values/key.ts";

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
  const { read, bare } = option;
  if (read === undefined) return given.length > 0;
  const full = given.flatMap((each) => {
    if (each.text !== "") return [each];
    if (bare !== undefined) return [{ text: bare, where: each.where }];
    problems.push(`${each.where} needs a value: ${option.value}`);
    return [];
  });
  return readValue(
    { ...option, read },
    full,
    (problem) => problems.push(problem),
  );
}
