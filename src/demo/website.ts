/**
 * What `deno task dev` and `deno task demo` run: one unikernel, which is the web server of server.ts as a process.
 *
 * @module
 */

export const NAME = "www.jitsu.test";
/** All of 127.0.0.0/8 is loopback on Linux: an address of its own, and nothing to set up. */
export const ADDRESS = "127.0.0.2";

/** Quotes a word for `command=`. */
const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;
/** Escapes a value within CONFIG. */
const escape = (value: string) => value.replaceAll(/[\\,]/g, "\\$&");

/** Jitsu's arguments: DNS on `dnsPort` of 127.0.0.1 (0: the system chooses), the web server on `httpPort`. */
export function jitsuArguments(
  { dnsPort, httpPort, ttl }: {
    dnsPort: number;
    httpPort: number;
    ttl: number;
  },
): string[] {
  const server = new URL("server.ts", import.meta.url).pathname;
  const command = [
    Deno.execPath(),
    "run",
    "--allow-net",
    server,
    ADDRESS,
    String(httpPort),
  ]
    .map(quote).join(" ");
  return [
    "--backend=process",
    `--listen=${dnsPort}`,
    [
      `dns=${NAME}`,
      `ip=${ADDRESS}`,
      "name=www",
      `command=${escape(command)}`,
      `wait_for_tcp=${httpPort}`,
      `ttl=${ttl}`,
    ].join(","),
  ];
}
