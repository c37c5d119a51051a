/**
 * The text of a CONFIG, split into keys and values: `key=value,...`, or `dns,ip,name` as the first releases had it.
 * What the keys mean is not known here.
 *
 * In both forms `\,` is a comma and `\\` a backslash; a backslash before anything else stands for itself.
 *
 * @module
 */
import { quoted } from "../../values/text.ts";

/** A key and its value, as they were written. */
export interface Pair {
  key: string;
  value: string;
}

/** Splits a CONFIG at its commas; white space after a comma is dropped. */
function splitFields(text: string): string[] {
  const fields = [""];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === ",") {
      fields.push("");
      continue;
    }
    if (text[i] === "\\" && /[\\,]/.test(text[i + 1])) i++;
    fields[fields.length - 1] += text[i];
  }
  return fields.map((field) => field.trimStart());
}

/** The text of a CONFIG with these pairs, which {@linkcode parseConfig} reads back. */
export function formatConfig(pairs: readonly Pair[]): string {
  const escape = (text: string) => text.replace(/[\\,]/g, "\\$&");
  return pairs
    .map(({ key, value }) => `${escape(key)}=${escape(value)}`)
    .join();
}

/** Whether the CONFIG ends in a comma, as one does that was meant to go on in the next word of the command line. */
export function isCutOff(text: string): boolean {
  const fields = splitFields(text);
  return fields.length > 1 && fields.at(-1) === "";
}

/** The pairs of a CONFIG, and what is wrong with the fields that are none, a line each. */
export function parseConfig(
  text: string,
): { pairs: Pair[]; problems: string[] } {
  const pairs: Pair[] = [];
  const problems: string[] = [];
  const fields = splitFields(text);
  if (!fields.some((field) => field.includes("="))) {
    if (fields.length === 3) {
      const [dns, ip, name] = fields;
      pairs.push(
        { key: "dns", value: dns },
        { key: "ip", value: ip },
        { key: "name", value: name },
      );
    } else {
      problems.push(`${quoted(text)} is neither key=value,... nor dns,ip,name`);
    }
    return { pairs, problems };
  }
  for (const field of fields) {
    const equals = field.indexOf("=");
    if (equals > 0) {
      pairs.push({
        key: field.slice(0, equals),
        value: field.slice(equals + 1),
      });
    } else if (field === "") {
      problems.push("there is a comma too many: a field is empty");
    } else {
      problems.push(
        `${quoted(field)} is not key=value (a comma in a value is written \\,)`,
      );
    }
  }
  return { pairs, problems };
}
