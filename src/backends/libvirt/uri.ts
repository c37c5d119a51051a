/**
 * Connection URIs: in messages without their secrets, as a command to try, and what they say of the host.
 *
 * @module
 */

/** Parameters of libvirt's URIs that hold no secret (libvirt.org/uri.html, drvesx, drvhyperv); others are not shown. */
const SHOWN = new Set([
  "auth",
  "auto_answer",
  "command",
  "debug",
  "keyfile",
  "known_hosts",
  "known_hosts_verify",
  "libssh_known_hosts",
  "mode",
  "name",
  "netcat",
  "no_sanity",
  "no_tty",
  "no_verify",
  "pkipath",
  "proxy",
  "sftp",
  "socket",
  "sshauth",
  "sshconfig",
  "tls_priority",
  "transport",
  "vcenter",
]);

/** Passwords and parameters that may be secrets, each with the text around it. */
function* secrets(uri: string): Generator<[whole: string, shown: string]> {
  const [, user, password] = /^[^:/?#]+:\/\/([^:/?#]*):([^/?#]*)@/.exec(uri) ??
    [];
  if (password) yield [`${user}:${password}@`, `${user}:***@`];
  const query = /\?([^#]*)/.exec(uri)?.[1] ?? "";
  for (const parameter of query.split(/[&;]/)) {
    const [name, value] = parameter.split("=", 2);
    if (value && !SHOWN.has(name)) yield [parameter, `${name}=***`];
  }
}

/** The text with every secret that the URI holds replaced by `***`; the text may be the URI or a message about it. */
export function redact(text: string, uri: string): string {
  for (const [whole, shown] of secrets(uri)) {
    text = text.replaceAll(whole, shown);
  }
  return text;
}

/** The URI for messages. */
export function showUri(uri: string): string {
  return redact(uri, uri) || "the default URI";
}

/** Whether it is the Xen host that this runs on (libvirt.org/drvxen.html). */
export function isLocalXen(uri: string): boolean {
  return /^xen(\+unix)?:\/\/\/(system)?([?#]|$)/.test(uri);
}

/** A virsh command for that URI that people can paste into a shell, in backquotes. */
export function virsh(uri: string, ...args: string[]): string {
  const words = uri === "" ? args : ["-c", redact(uri, uri), ...args];
  return `\`virsh ${words.map(quote).join(" ")}\``;
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word)
    ? word
    : `'${word.replaceAll("'", `'\\''`)}'`;
}
