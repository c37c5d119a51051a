/**
 * XML-RPC as XAPI speaks it (xmlrpc.com/spec, and XAPI's "Wire protocol" chapter): the values, and calls as text. What
 * reads replies is in reply_reader.ts, and what they mean in rpc.ts.
 *
 * XAPI sends its 64-bit integers as decimal strings without a type, and nothing at all as the empty string.
 *
 * @module
 */
import { FORBIDDEN, XmlRpcError } from "./scalars.ts";

/** A value on the wire. Integers of XAPI are decimal strings on both ways; a number is a `<double>` when it is sent. */
export type Value =
  | string
  | number
  | boolean
  | Date
  | Uint8Array
  | null
  | readonly Value[]
  | Struct;
export interface Struct {
  readonly [name: string]: Value;
}

const ESCAPES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "\r": "&#13;", // would come out as \n (XML 1.0 section 2.11)
};

/** A `methodCall`. Throws {@linkcode XmlRpcError} for a string that XML cannot hold. */
export function encodeCall(method: string, params: readonly Value[]): string {
  const list = params.map((param) => `<param>${encodeValue(param)}</param>`);
  return `<?xml version="1.0"?><methodCall><methodName>${
    escape(method)
  }</methodName><params>${list.join("")}</params></methodCall>`;
}

function encodeValue(value: Value): string {
  return `<value>${encodeTyped(value)}</value>`;
}

function encodeTyped(value: Value): string {
  switch (typeof value) {
    case "string":
      return `<string>${escape(value)}</string>`;
    case "boolean":
      return `<boolean>${value ? 1 : 0}</boolean>`;
    case "number":
      return `<double>${value}</double>`;
  }
  if (value === null) return "<nil/>";
  if (value instanceof Date) {
    const [day, time] = value.toISOString().split(/[T.]/);
    return `<dateTime.iso8601>${
      day.replaceAll("-", "")
    }T${time}Z</dateTime.iso8601>`;
  }
  if (value instanceof Uint8Array) {
    return `<base64>${btoa(String.fromCharCode(...value))}</base64>`;
  }
  if (isArray(value)) {
    return `<array><data>${value.map(encodeValue).join("")}</data></array>`;
  }
  const members = Object.entries(value).map(([name, each]) =>
    `<member><name>${escape(name)}</name>${encodeValue(each)}</member>`
  );
  return `<struct>${members.join("")}</struct>`;
}

function isArray(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

function escape(text: string): string {
  const forbidden = FORBIDDEN.exec(text);
  if (forbidden) {
    throw new XmlRpcError(
      `XML has no way to write U+${
        forbidden[0].codePointAt(0)!.toString(16).padStart(4, "0")
      }`,
    );
  }
  return text.replace(/[&<>\r]/g, (char) => ESCAPES[char]);
}
