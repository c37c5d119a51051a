/**
 * One call of XAPI at one address: what XAPI answers, or why there is no answer of XAPI. Sessions are not known here.
 *
 * @module
 */
import { Unreachable, XapiError } from "./errors.ts";
import type { Http, Reply } from "./http.ts";
import { decodeResponse, encodeCall, type Value } from "./xmlrpc.ts";

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
   * {@linkcode Unreachable} where no reply of XAPI comes within `timeout` milliseconds, and with the signal's reason
   * when that aborts.
   */
  async call(
    url: string,
    method: string,
    params: readonly Value[],
    timeout: number,
    signal: AbortSignal,
  ): Promise<Value> {
    const late = AbortSignal.timeout(timeout);
    try {
      const reply = await this.#http.post(
        new URL(url),
        encodeCall(method, params),
        AbortSignal.any([signal, late]),
      );
      return this.#result(reply);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof XapiError) throw error;
      throw new Unreachable(
        `XAPI at ${url}: ${
          late.aborted
            ? `no reply to ${method} within ${timeout / 1000} s`
            : explain(error)
        }`,
      );
    }
  }

  /** What XAPI answered. Throws {@linkcode XapiError}, and any other error where this is no answer of XAPI. */
  #result({ status, headers, body }: Reply): Value {
    const text = new TextDecoder().decode(body);
    const location = headers.get("location");
    if (status >= 300 && status < 400 && location !== null) {
      throw new Error(
        `it sends us to ${this.#excerpt(location)}: name that in --connect`,
      );
    }
    if (status !== 200) {
      throw new Error(`HTTP status ${status}: ${this.#excerpt(text)}`);
    }
    const notXapi = (why: string) =>
      new Error(
        `what came is not XAPI's (is this a host of a pool?): ${
          this.#excerpt(text)
        }${why}`,
      );
    let reply: Value;
    try {
      reply = decodeResponse(text);
    } catch (error) {
      throw notXapi(` (${(error as Error).message})`);
    }
    if (reply !== null && typeof reply === "object" && "Status" in reply) {
      const { Status, Value, ErrorDescription: description } = reply;
      if (Status === "Success" && Value !== undefined) return Value;
      if (Status === "Failure" && Array.isArray(description)) {
        const [code, ...params] = description.map(String);
        throw new XapiError(code, params.map((each) => this.#redact(each)));
      }
    }
    throw notXapi("");
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
