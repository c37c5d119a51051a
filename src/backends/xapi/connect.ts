/**
 * What `--connect` means for XAPI: `https://user@host:port/`, `http://host`, or a bare host. Nothing is touched here.
 *
 * @module
 */

/** Where a pool is, and who we are there. */
export interface Target {
  scheme: "https:" | "http:";
  user: string;
  /** Only where the text had one. */
  password?: string;
  /** A host name or an IP address, IPv6 without brackets. */
  host: string;
  /** Decimal; empty for the scheme's own. */
  port: string;
}

/** What is to be written instead of what {@linkcode parseConnect} refuses. */
export const CONNECT_EXPECTED =
  "https://USER@HOST/, http://USER@HOST/ or a HOST of the pool, as in `-x xapi -c https://root@xs1.example.org/`";

/** The target, or nothing where the text is none. */
export function parseConnect(text: string): Target | undefined {
  const url = URL.parse(text.includes("://") ? text : `https://${text}`);
  const { protocol: scheme } = url ?? {};
  if (url === null || scheme !== "https:" && scheme !== "http:") return;
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") return;
  try {
    return {
      scheme,
      user: decodeURIComponent(url.username) || "root",
      password: decodeURIComponent(url.password) || undefined,
      host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: url.port,
    };
  } catch {
    return undefined; // a % that is not one of URLs
  }
}

/** The URL of a pool's host, which is reached as the first one was. */
export function urlOf({ scheme, port }: Target, host: string): string {
  const name = host.includes(":") ? `[${host}]` : host;
  return `${scheme}//${name}${port && `:${port}`}/`;
}
