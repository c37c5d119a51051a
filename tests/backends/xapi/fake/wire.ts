/**
 * XML-RPC as XAPI's side of it writes and reads it, to the octet: tests/backends/xapi/wire_test.ts holds it to the
 * recordings. Nothing of the client's codec is used here.
 *
 * @module
 */

/** A value as XAPI has it: numbers are doubles, bigints are `<i4>`, and its 64-bit integers are strings. */
export type Wire =
  | string
  | number
  | bigint
  | boolean
  | Date
  | Wire[]
  | { [name: string]: Wire };
export type Struct = { [name: string]: Wire };

/** A request that is no `methodCall`. */
export class Malformed extends Error {}

const ESCAPES: { [char: string]: string } = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
};

function escape(text: string): string {
  return text.replace(/[&<>]/g, (char) => ESCAPES[char]);
}

function element(tag: string, content: string): string {
  return content === "" ? `<${tag}/>` : `<${tag}>${content}</${tag}>`;
}

export function encodeValue(value: Wire): string {
  return element("value", encodeContent(value));
}

function encodeContent(value: Wire): string {
  switch (typeof value) {
    case "string":
      return escape(value);
    case "number":
      return element("double", String(value));
    case "bigint":
      return element("i4", String(value));
    case "boolean":
      return element("boolean", value ? "1" : "0");
  }
  if (value instanceof Date) {
    const digits = value.toISOString().replaceAll("-", "").slice(0, 17);
    return element("dateTime.iso8601", `${digits}Z`);
  }
  if (Array.isArray(value)) {
    return element("array", element("data", value.map(encodeValue).join("")));
  }
  const members = Object.entries(value).map(([name, each]) =>
    element("member", element("name", escape(name)) + encodeValue(each))
  );
  return element("struct", members.join(""));
}

/** A reply that holds just this. */
export function encodeBare(value: Wire): string {
  return element(
    "methodResponse",
    element("params", element("param", encodeValue(value))),
  );
}

export function encodeSuccess(value: Wire): string {
  return encodeBare({ Status: "Success", Value: value });
}

export function encodeFailure(description: string[]): string {
  return encodeBare({ Status: "Failure", ErrorDescription: description });
}

/** Reads elements and texts one after the other. */
class Reader {
  readonly #tokens: string[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = (text.replace(/^\s*<\?xml[^>]*\?>/, "")
      .match(/<[^>]*>|[^<]+/g) ?? []).map((token) =>
        token.replace(/^(<.*?)\s+(\/?>)$/, "$1$2")
      );
  }

  /** Whether `<tag>` or `<tag/>` comes next, white space aside. */
  sees(tag: string): boolean {
    if (/^\s+$/.test(this.#tokens[this.#at] ?? "")) {
      const next = this.#tokens[this.#at + 1] ?? "";
      if (next.startsWith("<")) {
        return next === `<${tag}>` || next === `<${tag}/>`;
      }
    }
    const token = this.#tokens[this.#at];
    return token === `<${tag}>` || token === `<${tag}/>`;
  }

  /** Reads an element whose content `read` reads; `<tag/>` has the content `empty`. */
  element<T>(tag: string, read: () => T, empty: () => T): T {
    this.#skipSpace();
    const token = this.#tokens[this.#at++];
    if (token === `<${tag}/>`) return empty();
    if (token !== `<${tag}>`) throw new Malformed(`${token}, not <${tag}>`);
    const content = read();
    this.#skipSpace();
    const end = this.#tokens[this.#at++];
    if (end !== `</${tag}>`) throw new Malformed(`${end}, not </${tag}>`);
    return content;
  }

  text(): string {
    const token = this.#tokens[this.#at];
    if (token === undefined || token.startsWith("<")) return "";
    this.#at++;
    return token.replace(/&(\w+);|&#(\d+);/g, (whole, name, code) => {
      if (code) return String.fromCodePoint(Number(code));
      const char = Object.keys(ESCAPES).find((key) => ESCAPES[key] === whole);
      if (char === undefined) throw new Malformed(`&${name};`);
      return char;
    });
  }

  end(): void {
    this.#skipSpace();
    if (this.#at < this.#tokens.length) throw new Malformed("more than a call");
  }

  #skipSpace(): void {
    if (/^\s+$/.test(this.#tokens[this.#at] ?? "")) this.#at++;
  }
}

/** Throws {@linkcode Malformed}. */
export function decodeCall(text: string): { method: string; params: Wire[] } {
  const reader = new Reader(text);
  const fail = (): never => {
    throw new Malformed("an empty element");
  };
  const call = reader.element("methodCall", () => ({
    method: reader.element("methodName", () => reader.text(), fail),
    params: reader.sees("params")
      ? reader.element("params", () => many(reader, "param"), () => [])
      : [],
  }), fail);
  reader.end();
  return call;
}

/** The value of a reply, which need not be one of XAPI. Throws {@linkcode Malformed}. */
export function decodeReply(text: string): Wire {
  const reader = new Reader(text);
  const fail = (): never => {
    throw new Malformed("an empty element");
  };
  return reader.element(
    "methodResponse",
    () => reader.element("params", () => many(reader, "param")[0], fail),
    fail,
  );
}

function many(reader: Reader, tag: "param" | "value"): Wire[] {
  const found: Wire[] = [];
  while (reader.sees(tag)) {
    found.push(
      tag === "value"
        ? decodeValue(reader)
        : reader.element("param", () => decodeValue(reader), () => ""),
    );
  }
  return found;
}

function decodeValue(reader: Reader): Wire {
  return reader.element("value", () => {
    for (const [tag, read] of Object.entries(TYPES)) {
      if (reader.sees(tag)) {
        return reader.element(tag, () => read(reader), () => EMPTY[tag] ?? "");
      }
    }
    return reader.text();
  }, () => "");
}

const EMPTY: { [tag: string]: Wire } = { array: [], struct: {} };

const TYPES: { [tag: string]: (reader: Reader) => Wire } = {
  string: (reader) => reader.text(),
  boolean: (reader) => reader.text() === "1",
  double: (reader) => Number(reader.text()),
  int: (reader) => BigInt(reader.text()),
  i4: (reader) => BigInt(reader.text()),
  "dateTime.iso8601": (reader) =>
    new Date(
      reader.text().replace(/^(\d{4})(\d\d)(\d\d)T(.*?)Z?$/, "$1-$2-$3T$4Z"),
    ),
  array: (reader) =>
    reader.element("data", () => many(reader, "value"), () => []),
  struct: (reader) => {
    const struct: Struct = {};
    while (reader.sees("member")) {
      const [name, value] = reader.element(
        "member",
        () =>
          [
            reader.element("name", () => reader.text(), () => ""),
            decodeValue(reader),
          ] as const,
        () => ["", ""] as const,
      );
      struct[name] = value;
    }
    return struct;
  },
};
