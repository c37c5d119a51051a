/**
 * How error lines show what somebody typed, and what they suggest instead.
 *
 * @module
 */
import { distance } from "fastest-levenshtein";
import { visible } from "../visible.ts";

/** Characters of a text that an error line shows. */
const MAX_SHOWN = 80;

/**
 * The text on one line, without characters that steer a terminal, without the credentials that a URI may hold, and
 * cut off where it is long.
 */
export function printable(text: string): string {
  const userinfo = text.indexOf("//") + 2, host = text.lastIndexOf("@");
  const safe = userinfo >= 2 && userinfo < host
    ? `${text.slice(0, userinfo)}...${text.slice(host)}`
    : text;
  const plain = visible(safe);
  const characters = [...plain];
  return characters.length <= MAX_SHOWN
    ? plain
    : `${characters.slice(0, MAX_SHOWN - 3).join("")}...`;
}

/** {@linkcode printable} in quotes. */
export function quoted(text: string): string {
  return `"${printable(text)}"`;
}

/** `; did you mean X?` for the candidate that the text begins, goes on from or is a slip of the pen away from. */
export function didYouMean(
  text: string,
  candidates: readonly string[],
): string {
  const typed = text.toLowerCase();
  const slips = typed.length < 4 ? 1 : typed.length < 8 ? 2 : 3;
  const away = (candidate: string) => {
    const [short, long] = [typed, candidate.toLowerCase()]
      .sort((a, b) => a.length - b.length);
    return short.length >= 3 && long.startsWith(short)
      ? 0
      : distance(short, long);
  };
  const best = candidates.toSorted((a, b) => away(a) - away(b))[0];
  return best === undefined || away(best) > slips
    ? ""
    : `; did you mean ${best}?`;
}
