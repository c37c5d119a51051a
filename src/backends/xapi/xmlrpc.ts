/**
 * XML-RPC as XAPI speaks it (xmlrpc.com/spec, and XAPI's "Wire protocol" chapter): calls to text, replies to values.
 * What a reply means is not known here, see rpc.ts.
 *
 * XAPI sends its 64-bit integers as decimal strings without a type, and nothing at all as the empty string.
 *
 * @module
 */
import { XMLParser } from "fast-xml-parser";

/** A value on the wire. Integers of XAPI are decimal strings on both ways; a number is a `<double>` when it is sent. */
export type Value =
  | string
  | number
  | boolean
  | Date
  | null
  | readonly Value[]
  | Struct;
export interface Struct {
  readonly [name: string]: Value;
}

/** A text is not an XML-RPC reply. The message goes after "the reply is not XML-RPC: ". */
export class XmlRpcError extends Error {
  override name = "XmlRpcError";
}

/**
 * Elements within elements. An event with the snapshot of a VM, the deepest that XAPI sends, takes 24; a text deeper
 * than this is no reply but an attack on whoever reads it.
 */
const MAX_DEPTH = 64;

const ESCAPES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "\r": "&#13;", // would come out as \n (XML 1.0 section 2.11)
};
const ENTITIES = new Map([
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"],
  ["apos", "'"],
  ["quot", '"'],
]);
/** XML 1.0 section 2.2: characters that no XML text can hold, however they are written. */
// deno-lint-ignore no-control-regex -- control characters are the point
const FORBIDDEN = /[\0-\x08\v\f\x0e-\x1f\ufffe\uffff]|\p{Cs}/u;

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

const TEXT = "#text";
/** As fast-xml-parser gives it with `preserveOrder`: `{tag: children}`, or `{"#text": text}`. */
type Node = { [tag: string]: Node[] | string };

/** Entities are decoded here, where an unknown one is an error. */
const parser = new XMLParser({
  preserveOrder: true,
  ignoreDeclaration: true,
  parseTagValue: false,
  trimValues: false,
  processEntities: false,
  maxNestedTags: MAX_DEPTH,
  jPath: false, // a path to each element would take longer to write than all the rest
});

/** The value of a `methodResponse`. Throws {@linkcode XmlRpcError} for a fault, and for what is not one at all. */
export function decodeResponse(text: string): Value {
  const response = only(parse(text).filter(isElement), "methodResponse");
  const parts = elements(response);
  if (parts.length === 1 && tagOf(parts[0]) === "fault") {
    const fault = decodeValue(elements(parts[0]));
    throw new XmlRpcError(`it is a fault: ${JSON.stringify(fault)}`);
  }
  const param = only(elements(only(parts, "params")), "param");
  return decodeValue(elements(param));
}

function parse(text: string): Node[] {
  const body = text.replace(/^\s*<\?xml[^<>]*\?>/, "").trim();
  checkTags(body);
  try {
    return parser.parse(body);
  } catch (error) {
    throw new XmlRpcError((error as Error).message);
  }
}

/**
 * Throws for what XAPI never sends, such as a document type, whose entities could grow without end, and for what the
 * parser takes on trust: that each element ends, and ends before the one around it.
 */
function checkTags(text: string): void {
  if (!/^<.*>$/s.test(text)) throw new XmlRpcError("it has no XML element");
  const open: string[] = [];
  for (
    const { 1: end, 2: start, 3: empty, index } of text.matchAll(
      /<(?:\/([\w.]+)\s*>|([\w.]+)\s*(\/?)>)?/g,
    )
  ) {
    if (end !== undefined) {
      const last = open.pop();
      if (last !== end) {
        throw new XmlRpcError(`there is </${end}> after <${last ?? ""}>`);
      }
    } else if (start === undefined) {
      const [what] = /^\S{1,20}/.exec(text.slice(index))!;
      throw new XmlRpcError(`there is ${what}`);
    } else if (empty === "") open.push(start);
  }
  if (open.length > 0) throw new XmlRpcError(`<${open.at(-1)}> has no end`);
}

function tagOf(node: Node): string {
  for (const tag in node) return tag; // its one key
  throw new XmlRpcError("there is an element without a name");
}

function isElement(node: Node): boolean {
  return tagOf(node) !== TEXT;
}

/** The elements within an element, where white space may stand between them but no text. */
function elements(node: Node): Node[] {
  const children = node[tagOf(node)] as Node[];
  for (const child of children) {
    if (!isElement(child) && (child[TEXT] as string).trim() !== "") {
      throw new XmlRpcError(`there is text in <${tagOf(node)}>`);
    }
  }
  return children.filter(isElement);
}

/** The only one of the elements, which must have that tag. */
function only(nodes: Node[], tag: string): Node {
  if (nodes.length === 1 && tagOf(nodes[0]) === tag) return nodes[0];
  const found = nodes.slice(0, 3).map((node) => `<${tagOf(node)}>`).join("");
  throw new XmlRpcError(`there is ${found || "nothing"} instead of <${tag}>`);
}

function textOf(node: Node): string {
  const children = node[tagOf(node)] as Node[];
  const inner = children.find(isElement);
  if (inner !== undefined) {
    throw new XmlRpcError(`there is <${tagOf(inner)}> in <${tagOf(node)}>`);
  }
  return children.map((child) => child[TEXT] as string).join("").replace(
    /&(?:#(\d{1,7});|#x([\da-f]{1,6});|(\w+);)?/gi,
    (whole, decimal, hex, name) =>
      (name ? ENTITIES.get(name) : character(Number(decimal ?? `0x${hex}`))) ??
        raise(`it has the unknown entity ${whole}`),
  );
}

function character(code: number): string | undefined {
  if (Number.isNaN(code) || code > 0x10ffff) return undefined;
  const char = String.fromCodePoint(code);
  return FORBIDDEN.test(char) ? undefined : char;
}

function raise(message: string): never {
  throw new XmlRpcError(message);
}

function decodeValue(nodes: Node[]): Value {
  const value = only(nodes, "value");
  if (!(value.value as Node[]).some(isElement)) return textOf(value);
  const [typed, ...more] = elements(value);
  if (more.length > 0) throw new XmlRpcError("there are two values in one");
  return decodeTyped(typed);
}

function decodeTyped(node: Node): Value {
  const type = tagOf(node);
  switch (type) {
    case "array":
      return elements(only(elements(node), "data"))
        .map((each) => decodeValue([each]));
    case "struct":
      return decodeStruct(node);
    case "nil":
      return null;
  }
  const text = textOf(node);
  const decode = SCALARS.get(type) ??
    raise(`there is a value of the unknown type <${type}>`);
  return decode(text) ??
    raise(`${JSON.stringify(text.slice(0, 50))} is no ${type}`);
}

const SCALARS = new Map<string, (text: string) => Value | undefined>([
  ["string", (text) => text],
  ["boolean", (text) => text === "1" ? true : text === "0" ? false : undefined],
  ["int", integer],
  ["i4", integer],
  [
    "double",
    (text) =>
      /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)
        ? Number(text)
        : undefined,
  ],
  ["dateTime.iso8601", dateTime],
]);

function integer(text: string): number | undefined {
  return /^[+-]?\d+$/.test(text) && Number.isSafeInteger(Number(text))
    ? Number(text)
    : undefined;
}

/** `19980717T14:08:55`, in UTC as all of XAPI's, with a Z or without, and with the hyphens of newer hosts or without. */
function dateTime(text: string): Date | undefined {
  const match = /^(\d{4})-?(\d\d)-?(\d\d)T(\d\d:\d\d:\d\d(?:\.\d+)?)Z?$/.exec(
    text,
  );
  if (match === null) return undefined;
  const [, year, month, day, time] = match;
  const date = new Date(`${year}-${month}-${day}T${time}Z`);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

function decodeStruct(node: Node): Struct {
  // Without a prototype: names are whatever somebody called a host, a disk, a network.
  const struct: Record<string, Value> = Object.create(null);
  for (const member of elements(node)) {
    const [name, ...value] = elements(only([member], "member"));
    if (name === undefined) throw new XmlRpcError("a member has no name");
    struct[textOf(only([name], "name"))] = decodeValue(value);
  }
  return struct;
}
