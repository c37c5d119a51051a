/**
 * Reads a `methodResponse` as it comes, piece by piece, so that a large one keeps nobody waiting. XML-RPC needs little of
 * XML: elements without attributes, and text. Document types, comments and the like, which XAPI never sends, are refused.
 *
 * @module
 */
import {
  decodeName,
  decodeScalar,
  decodeText,
  XmlRpcError,
} from "./scalars.ts";
import type { Struct, Value } from "./xmlrpc.ts";

/**
 * Elements within elements. An event with the snapshot of a VM, the deepest that XAPI sends, takes 24; a text deeper
 * than this is no reply but an attack on whoever reads it.
 */
const MAX_DEPTH = 64;
/** Characters of one tag. The longest is an XML declaration. */
const MAX_TAG = 200;
/** How many elements of each kind may stand in which. What is not here is the type of a value, and has none in it. */
const CHILDREN: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  methodResponse: { params: 1, fault: 1 },
  params: { param: 1 },
  param: { value: 1 },
  fault: { value: 1 },
  array: { data: 1 },
  data: { value: Infinity },
  struct: { member: Infinity },
  member: { name: 1, value: 1 },
};
/** Characters of an entity that we know, `&#1114111;`. */
const MAX_ENTITY = 10;
const NAME_END = "</name";
const EMPTY: Struct = Object.freeze(Object.create(null));

/** An element that has begun. */
interface Open {
  readonly tag: string;
  /** How many elements there are in it, and which came last. */
  children: number;
  last?: string;
  /** The pieces of its text, without entities. */
  text: string[];
  /** What the elements in it came to. */
  value?: Value;
  name?: string;
  items?: Value[];
  struct?: Record<string, Value>;
}

export class ReplyReader {
  readonly #open: Open[] = [];
  /** What has come of a tag or an entity whose end has not. */
  #rest = "";
  #began = false;
  #result?: Value;

  /** Takes the next piece, cut anywhere. Throws {@linkcode XmlRpcError} where this can be no reply any more. */
  push(piece: string): void {
    const text = this.#rest + piece;
    let at = 0;
    while (at < text.length) {
      const isName = this.#open.at(-1)?.tag === "name";
      // XAPI writes the names of members as they are, with whatever markup is in them.
      const start = text.indexOf(isName ? NAME_END : "<", at);
      if (start < 0) {
        const end = text.length - heldBack(text, at, isName);
        this.#text(text.slice(at, end));
        at = end;
        break;
      }
      if (start > at) this.#text(text.slice(at, start));
      const end = text.indexOf(">", start);
      at = start;
      if (end < 0) break;
      this.#tag(text.slice(start, end + 1));
      at = end + 1;
    }
    this.#rest = text.slice(at);
    if (this.#rest.length > MAX_TAG) {
      throw new XmlRpcError(`there is ${excerpt(this.#rest)}`);
    }
  }

  /** The value of the whole. Throws {@linkcode XmlRpcError} where it is a fault, or has not come to its end. */
  end(): Value {
    const open = this.#open.at(-1);
    if (open !== undefined) throw new XmlRpcError(`<${open.tag}> has no end`);
    if (this.#rest !== "" || this.#result === undefined) {
      throw new XmlRpcError("it has no XML element");
    }
    return this.#result;
  }

  #text(text: string): void {
    const open = this.#open.at(-1);
    if (open !== undefined) {
      open.text.push(open.tag === "name" ? decodeName(text) : decodeText(text));
    } else if (!isBlank(text)) throw new XmlRpcError("it has no XML element");
  }

  #tag(tag: string): void {
    const declares = !this.#began && tag.startsWith("<?xml");
    this.#began = true;
    if (declares && tag.endsWith("?>")) return;
    const match = /^<(\/?)([\w.]+)\s*(\/?)>$/.exec(tag);
    if (match === null || match[1] && match[3]) {
      throw new XmlRpcError(`there is ${excerpt(tag)}`);
    }
    const [, end, name, empty] = match;
    if (end) return this.#close(name);
    this.#begin(name);
    if (empty) this.#close(name);
  }

  #begin(tag: string): void {
    const parent = this.#open.at(-1);
    if (this.#open.length === MAX_DEPTH) {
      throw new XmlRpcError(`elements are nested deeper than ${MAX_DEPTH}`);
    }
    if (parent === undefined) {
      if (this.#result !== undefined || tag !== "methodResponse") {
        throw new XmlRpcError(`there is <${tag}> instead of <methodResponse>`);
      }
    } else {
      const most = parent.tag === "value"
        ? Number(tag !== "value")
        : allowed(parent.tag, tag);
      // Of those that may come once, only a name may be followed by another element.
      const may = most === Infinity ||
        most === 1 && parent.last !== tag &&
          (parent.tag === "member"
            ? (parent.last === undefined) === (tag === "name")
            : parent.children === 0);
      if (!may) throw new XmlRpcError(`there is <${tag}> in <${parent.tag}>`);
      parent.children++;
      parent.last = tag;
    }
    this.#open.push({ tag, children: 0, text: [] });
  }

  #close(tag: string): void {
    const open = this.#open.pop();
    if (open?.tag !== tag) {
      throw new XmlRpcError(`there is </${tag}> after <${open?.tag ?? ""}>`);
    }
    const parent = this.#open.at(-1);
    if (tag === "name") {
      parent!.name = open.text.join("");
      return;
    }
    const value = valueOf(open, parent);
    if (parent === undefined) this.#result = value;
    else if (tag === "member") {
      // Without a prototype: names are whatever somebody called a host, a disk, a network.
      parent.struct ??= Object.create(null) as Record<string, Value>;
      parent.struct[open.name!] = value;
    } else if (parent.tag === "data") (parent.items ??= []).push(value);
    else parent.value = value;
  }
}

/** How many elements of that kind may stand in this one. */
function allowed(parent: string, tag: string): number {
  if (!Object.hasOwn(CHILDREN, parent)) return 0;
  const children = CHILDREN[parent];
  return Object.hasOwn(children, tag) ? children[tag] : 0;
}

/** What an element that has ended comes to. */
function valueOf(open: Open, parent: Open | undefined): Value {
  const { tag, text, children } = open;
  const isType = parent?.tag === "value";
  if (tag === "value" && children === 0) return text.join("");
  const isScalar = isType && tag !== "array" && tag !== "struct";
  if (isScalar) return decodeScalar(tag, text.join(""));
  if (!text.every(isBlank)) throw new XmlRpcError(`there is text in <${tag}>`);
  switch (tag) {
    case "data":
      return open.items ?? [];
    case "struct":
      return open.struct ?? EMPTY;
    case "fault":
      throw new XmlRpcError(`it is a fault: ${JSON.stringify(open.value)}`);
  }
  if (open.value === undefined) throw new XmlRpcError(`<${tag}> is empty`);
  return open.value;
}

/** Characters at the end of a text that may be the beginning of an entity, or of the end of a name. */
function heldBack(text: string, from: number, isName: boolean): number {
  const entity = text.lastIndexOf("&");
  if (
    entity >= Math.max(from, text.length - MAX_ENTITY) &&
    !text.includes(";", entity)
  ) return text.length - entity;
  if (!isName) return 0;
  const least = Math.max(from, text.length - NAME_END.length + 1);
  for (let at = least; at < text.length; at++) {
    if (NAME_END.startsWith(text.slice(at))) return text.length - at;
  }
  return 0;
}

function isBlank(text: string): boolean {
  return /^\s*$/.test(text);
}

function excerpt(text: string): string {
  return /^\S{1,20}/.exec(text)?.[0] ?? "";
}
