/**
 * One call of XAPI at one address: what XAPI answers, or why there is no answer of XAPI. Sessions are not known here.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import { Late, Unreachable, Unreadable, XapiError } from "./errors.ts";
import type { Http, Reply } from "./http.ts";
import { ReplyReader } from "./reply_reader.ts";
import { encodeCall, type Value } from "./xmlrpc.ts";

/**
 * Octets of a reply: the records of some 2,700 VMs. A poll that has more to tell is made again in smaller parts. Of the
 * memory that the values take, this many octets of the worst kind come to about 200 MB.
 */
export const MAX_REPLY = 32 * 1024 * 1024;
/** Octets that are read in one go, which takes about a millisecond; then whatever else there is to do has its turn. */
const MAX_PIECE = 32 * 1024;
/** Octets at the beginning of what is not XAPI's that are looked at for what it is instead. */
const MAX_HEAD = 4096;

/** Characters that are shown of what came instead of a reply of XAPI. */
const MAX_SHOWN = 120;

export class Rpc {
  readonly #http: Http;
  readonly #secrets: Iterable<string>;

  /** The secrets of that moment are kept out of all that is shown of replies, which may echo them. */
  constructor(http: Http, secrets: Iterable<string>) {
    this.#http = http;
    this.#secrets = secrets;
  }

  /**
   * Calls a method of the XAPI at `url`. Rejects with {@linkcode XapiError} where XAPI refuses, with
   * {@linkcode Unreadable} where its reply cannot be read, with {@linkcode Unreachable} where no reply of XAPI comes,
   * which is {@linkcode Late} after `timeout` milliseconds, and with the signal's reason when that aborts.
   */
  async call(
    url: string,
    method: string,
    params: readonly Value[],
    timeout: number,
    signal: AbortSignal,
  ): Promise<Value> {
    const late = AbortSignal.timeout(timeout);
    const where = `XAPI at ${url}`;
    try {
      const reply = await this.#http.post(
        new URL(url),
        encodeCall(method, params),
        AbortSignal.any([signal, late]),
      );
      return this.#result(await this.#read(reply, method));
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof XapiError) throw error;
      if (error instanceof Unreadable) {
        throw new Unreadable(`${where}: ${error.message}`);
      }
      if (late.aborted) {
        throw new Late(
          `${where}: no reply to ${method} within ${timeout / 1000} s`,
        );
      }
      throw new Unreachable(`${where}: ${explain(error)}`);
    }
  }

  /** The value that is the reply of some server. Throws {@linkcode Unreadable}, and any other error where it is none. */
  async #read({ status, headers, body }: Reply, method: string) {
    const reader = status === 200 ? new ReplyReader() : undefined;
    const decoder = new TextDecoder();
    let head = "", octets = 0, sinceTurn = 0;
    let failure: Error | undefined;
    for await (const chunk of body) {
      octets += chunk.length;
      if (octets > MAX_REPLY) {
        throw new Unreadable(
          `the reply to ${method} has more than ${MAX_REPLY} octets`,
        );
      }
      for (let at = 0; at < chunk.length; at += MAX_PIECE) {
        const piece = chunk.subarray(at, at + MAX_PIECE);
        const text = decoder.decode(piece, { stream: true });
        if (head.length < MAX_HEAD) head += text.slice(0, MAX_HEAD);
        try {
          if (failure === undefined) reader?.push(text);
        } catch (error) {
          failure = error as Error;
        }
        sinceTurn += piece.length;
        if (sinceTurn >= MAX_PIECE) {
          sinceTurn = 0;
          await setImmediate();
        }
      }
      if ((failure || !reader) && head.length >= MAX_HEAD) break; // enough to say what it is
    }
    const location = headers.get("location");
    if (status >= 300 && status < 400 && location !== null) {
      throw new Error(
        `it sends us to ${this.#excerpt(location)}: name that in --connect`,
      );
    }
    if (reader === undefined) {
      throw new Error(`HTTP status ${status}: ${this.#excerpt(head)}`);
    }
    try {
      if (failure) throw failure;
      return { value: reader.end(), head };
    } catch (error) {
      const why = `(${(error as Error).message})`;
      if (/^\s*(<\?xml[^<>]*\?>)?\s*<methodResponse[\s/>]/.test(head)) {
        throw new Unreadable(`the reply to ${method} cannot be read ${why}`);
      }
      throw this.#notXapi(head, ` ${why}`);
    }
  }

  /** What XAPI answered. Throws {@linkcode XapiError}, and any other error where this is no answer of XAPI. */
  #result({ value, head }: { value: Value; head: string }): Value {
    if (value !== null && typeof value === "object" && "Status" in value) {
      const { Status, Value, ErrorDescription: description } = value;
      if (Status === "Success" && Value !== undefined) return Value;
      if (Status === "Failure" && Array.isArray(description)) {
        const [code, ...params] = description.map(String);
        throw new XapiError(code, params.map((each) => this.#redact(each)));
      }
    }
    throw this.#notXapi(head);
  }

  #notXapi(head: string, why = ""): Error {
    return new Error(
      `what came is not XAPI's (is this a host of a pool?): ${
        this.#excerpt(head)
      }${why}`,
    );
  }

  /** The words of a text, without markup, on one line. */
  #excerpt(text: string): string {
    // What is secret may have been escaped, as in an echo of our call.
    const words = this.#redact(
      this.#redact(text).replace(/<[^>]*>/g, " ")
        .replaceAll("&lt;", "<").replaceAll("&gt;", ">")
        .replaceAll("&amp;", "&").replace(/\s+/g, " ").trim(),
    );
    const shown = [...words].slice(0, MAX_SHOWN).join("");
    return JSON.stringify(shown === words ? words : `${shown}...`);
  }

  /** References are hidden as well: they help nobody, and that of the session is as good as the password. */
  #redact(text: string): string {
    let shown = text;
    for (const secret of this.#secrets) {
      shown = shown.replaceAll(secret, "***");
    }
    return shown.replace(/OpaqueRef:[\w-]+/g, "OpaqueRef:***");
  }
}

/** What stands in the messages of Deno's network errors, and what to do about it. */
const REMEDIES: [pattern: RegExp, remedy: string][] = [
  [/refused/i, "is this a host of a pool, and is XAPI running there?"],
  [/dns error|ENOTFOUND|lookup/i, "is the host's name right?"],
  [
    /UnknownIssuer/,
    "the host's certificate is signed by nobody this system trusts, as most are: name it with --xapi-ca FILE",
  ],
  [
    /not valid for name|NotValidForName/,
    "connect to the host by a name or an address that is in its certificate",
  ],
  [
    /CaUsedAsEndEntity/,
    "the host shows a certificate that is only good for signing others: give it one of its own (`xe host-server-certificate-install`)",
  ],
  [/Expired|NotValidYet/, "renew it, or check this host's clock"],
  [/reading a body/, "it was cut off"],
  [/invalid HTTP version/, "is this https:// rather than http://?"],
  [
    /InvalidContentType|corrupt message/i,
    "is this http:// rather than https://?",
  ],
];

function explain(error: unknown): string {
  let cause = error;
  while (cause instanceof Error && cause.cause !== undefined) {
    cause = cause.cause;
  }
  const message = (cause instanceof Error ? cause.message : String(cause))
    .replace(/^error sending request .*?: client error \(\w+\): /, "");
  const [, remedy] = REMEDIES.find(([pattern]) => pattern.test(message)) ?? [];
  return remedy === undefined ? message : `${message}; ${remedy}`;
}
