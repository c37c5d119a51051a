/**
 * POST to a host of a pool, with TLS that trusts what it should. What is posted is not known here.
 *
 * @module
 */
import { connect } from "node:tls";
import { BackendError } from "../backend.ts";

export interface Reply {
  status: number;
  headers: Headers;
  /**
   * What comes of the body, as it comes. It is to be iterated, which throws where it is cut off or the signal aborts;
   * whoever leaves before the end of it ends the connection.
   */
  body: AsyncIterable<Uint8Array>;
}

export interface Http {
  /** Rejects with what went wrong, or with the signal's reason when that aborts. */
  post(url: URL, body: string, signal: AbortSignal): Promise<Reply>;
  close(): void;
}

const HEADERS = { "content-type": "text/xml", "user-agent": "jitsu" };

/** HTTPS with a certificate that one of these PEM texts or one of the runtime's own roots vouches for, and plain HTTP. */
export function checkedHttp(caCerts: string[]): Http {
  let client: Deno.HttpClient;
  try {
    client = Deno.createHttpClient({ caCerts, http2: false }); // XAPI speaks HTTP/1.1 only
  } catch (error) {
    throw new BackendError(
      `a certificate to trust cannot be read: ${(error as Error).message}`,
    );
  }
  return {
    async post(url, body, signal) {
      const { status, headers, body: stream } = await fetch(url, {
        method: "POST",
        headers: HEADERS,
        body,
        client,
        signal,
        redirect: "manual", // the password goes nowhere else
      });
      return { status, headers, body: stream ?? ReadableStream.from([]) };
    },
    close: () => client.close(),
  };
}

/**
 * HTTPS with whatever certificate the host shows. `fetch` cannot be told to do so, hence HTTP/1.0 (RFC 1945) here, whose
 * replies end where the connection does.
 */
export function uncheckedHttp(): Http {
  return {
    async post(url, body, signal) {
      signal.throwIfAborted();
      const socket = connect({
        host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
        port: Number(url.port || 443),
        rejectUnauthorized: false,
      });
      const abort = () => socket.destroy(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      const done = () => {
        signal.removeEventListener("abort", abort);
        socket.destroy();
      };
      try {
        const octets = new TextEncoder().encode(body);
        const head = Object.entries({
          ...HEADERS,
          "host": url.host,
          "content-length": octets.length,
        }).map(([name, value]) => `${name}: ${value}\r\n`);
        socket.write(`POST ${url.pathname} HTTP/1.0\r\n${head.join("")}\r\n`);
        socket.write(octets);
        return await readReply(socket[Symbol.asyncIterator](), done);
      } catch (error) {
        done();
        throw signal.aborted ? signal.reason : error;
      }
    },
    close() {},
  };
}

/** Octets of a reply before its body. */
const MAX_HEAD = 65_536;

async function readReply(
  chunks: AsyncIterator<Uint8Array>,
  done: () => void,
): Promise<Reply> {
  let head = ""; // an octet a character
  for (;;) {
    const { value } = await chunks.next();
    head += new TextDecoder("latin1").decode(value);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0 && value !== undefined && head.length < MAX_HEAD) continue;
    const [whole, status, fields] =
      /^HTTP\/1\.[01] (\d{3})[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n/.exec(head) ??
        [];
    if (whole === undefined) throw new Error("the reply is not HTTP");
    const headers = new Headers(
      fields.split("\r\n").slice(0, -1).map((field): [string, string] => {
        const colon = field.indexOf(":");
        return [field.slice(0, colon), field.slice(colon + 1).trim()];
      }),
    );
    const first = value!.subarray(value!.length - (head.length - whole.length));
    const length = Number(headers.get("content-length") ?? Infinity);
    const body = readBody(first, chunks, length, done);
    return { status: Number(status), headers, body };
  }
}

async function* readBody(
  first: Uint8Array,
  chunks: AsyncIterator<Uint8Array>,
  length: number,
  done: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    let left = length;
    let chunk: Uint8Array | undefined = first;
    while (chunk !== undefined && left > 0) {
      yield chunk.subarray(0, left);
      left -= chunk.length;
      if (left > 0) ({ value: chunk } = await chunks.next());
    }
    if (left > 0 && left < Infinity) throw new Error("the reply was cut off");
  } finally {
    done();
  }
}

/** Where Linux distributions keep the roots that the whole system trusts, as one PEM file. */
const SYSTEM_ROOTS = [
  "/etc/ssl/certs/ca-certificates.crt", // Debian, Ubuntu, Alpine
  "/etc/pki/tls/certs/ca-bundle.crt", // Red Hat's
  "/etc/ssl/ca-bundle.pem", // SUSE
];

/** What this system trusts, which may be more than the runtime's own roots: a company's own, for one. */
export async function systemRoots(): Promise<string[]> {
  for (const path of SYSTEM_ROOTS) {
    try {
      return certificates(await Deno.readTextFile(path));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return [];
}

/** The certificates of a PEM file. Rejects with {@linkcode BackendError} where there are none. */
export async function certificatesIn(path: string): Promise<string[]> {
  let found: string[];
  try {
    found = certificates(await Deno.readTextFile(path));
  } catch (error) {
    throw new BackendError(`--xapi-ca ${path}: ${(error as Error).message}`);
  }
  if (found.length === 0) {
    throw new BackendError(
      `--xapi-ca ${path}: there is no certificate in it (-----BEGIN CERTIFICATE-----)`,
    );
  }
  return found;
}

function certificates(pem: string): string[] {
  return pem.match(
    /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g,
  ) ?? [];
}
