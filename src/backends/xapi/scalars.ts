/**
 * What stands in the elements of a reply that have no others in them: text, and values of the simple types.
 *
 * @module
 */
import type { Value } from "./xmlrpc.ts";

/** A text is not XML-RPC. The message goes after "the reply is not XML-RPC: ". */
export class XmlRpcError extends Error {
  override name = "XmlRpcError";
}

const ENTITIES = new Map([
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"],
  ["apos", "'"],
  ["quot", '"'],
]);
const ENTITY = /&(?:#(\d{1,7});|#x([\da-f]{1,6});|(\w+);)?/gi;
/** XML 1.0 section 2.2: characters that no XML text can hold, however they are written. */
// deno-lint-ignore no-control-regex -- control characters are the point
export const FORBIDDEN = /[\0-\x08\v\f\x0e-\x1f\ufffe\uffff]|\p{Cs}/u;

/** A text without its entities. Throws {@linkcode XmlRpcError} for one that is none. */
export function decodeText(text: string): string {
  return withoutEntities(text, (whole) => {
    throw new XmlRpcError(`it has the unknown entity ${whole}`);
  });
}

/** The name of a member: XAPI does not escape the ampersands in it, others do. */
export function decodeName(text: string): string {
  return withoutEntities(text, (whole) => whole);
}

function withoutEntities(
  text: string,
  unknown: (whole: string) => string,
): string {
  if (!text.includes("&")) return text;
  return text.replace(
    ENTITY,
    (whole, decimal?: string, hex?: string, name?: string) =>
      (name ? ENTITIES.get(name) : character(decimal, hex)) ?? unknown(whole),
  );
}

function character(decimal?: string, hex?: string): string | undefined {
  const code = decimal ? parseInt(decimal, 10) : parseInt(hex ?? "", 16);
  if (Number.isNaN(code) || code > 0x10ffff) return undefined;
  const char = String.fromCodePoint(code);
  return FORBIDDEN.test(char) ? undefined : char;
}

/** The value of that type. Throws {@linkcode XmlRpcError} where the text is not of that type, or nobody knows it. */
export function decodeScalar(type: string, text: string): Value {
  const decode = SCALARS.get(type);
  if (decode === undefined) {
    throw new XmlRpcError(`there is a value of the unknown type <${type}>`);
  }
  const value = decode(text);
  if (value !== undefined) return value;
  throw new XmlRpcError(`${JSON.stringify(text.slice(0, 50))} is no ${type}`);
}

const SCALARS = new Map<string, (text: string) => Value | undefined>([
  ["string", (text) => text],
  ["boolean", (text) => text === "1" ? true : text === "0" ? false : undefined],
  ["int", integer],
  ["i4", integer],
  // As XAPI's own 64-bit integers, which come without a type.
  ["i8", (text) => /^[+-]?\d+$/.test(text) ? text : undefined],
  ["double", double],
  ["base64", base64],
  ["dateTime.iso8601", dateTime],
  ["nil", (text) => text.trim() === "" ? null : undefined],
]);

function integer(text: string): number | undefined {
  return /^[+-]?\d+$/.test(text) && Number.isSafeInteger(Number(text))
    ? Number(text)
    : undefined;
}

/** As OCaml's `%.16g` writes it: `0.5`, `1e-05`, `nan`, `-nan`, `inf`, `-inf`. */
function double(text: string): number | undefined {
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return Number(text);
  const [, minus, name] = /^([+-]?)(nan|inf)(?:inity)?$/i.exec(text) ?? [];
  if (name === undefined) return undefined;
  if (name.toLowerCase() === "nan") return NaN;
  return minus === "-" ? -Infinity : Infinity;
}

function base64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return undefined;
  }
}

/**
 * `19980717T14:08:55`, with the hyphens of newer hosts or without; with a Z or an offset from UTC, or with neither,
 * which is UTC as all of XAPI's.
 */
function dateTime(text: string): Date | undefined {
  const match =
    /^(\d{4})-?(\d\d)-?(\d\d)T(\d\d:\d\d:\d\d(?:\.\d+)?)(Z|[+-]\d\d(?::?\d\d)?)?$/
      .exec(text);
  if (match === null) return undefined;
  const [, year, month, day, time, zone = "Z"] = match;
  const offset = zone.replace(
    /^([+-]\d\d):?(\d\d)?$/,
    (_, hours, minutes) => `${hours}:${minutes ?? "00"}`,
  );
  const date = new Date(`${year}-${month}-${day}T${time}${offset}`);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
