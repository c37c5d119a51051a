/**
 * The nameservers of a resolv.conf(5), read again when the file changes.
 *
 * @module
 */
import { log } from "../../log.ts";
import { canonicalAddress } from "../../net/address.ts";
import { Upstream } from "./upstream.ts";

/** Milliseconds after which the file is looked at again when somebody wants its nameservers. */
const CHECK_INTERVAL = 1000;
const DNS_PORT = 53;

/**
 * The addresses in the `nameserver` lines, in order, each once. What is no address Jitsu can ask, such as one with a
 * scope, comes back in `ignored`.
 */
export function parseResolvConf(
  text: string,
): { addresses: string[]; ignored: string[] } {
  const addresses = new Set<string>(), ignored: string[] = [];
  for (const line of text.split("\n")) {
    const value = /^\s*nameserver\s+([^\s#;]+)/.exec(line)?.[1];
    if (value === undefined) continue;
    const address = canonicalAddress(value);
    if (address === undefined) ignored.push(value);
    else addresses.add(address);
  }
  return { addresses: [...addresses], ignored };
}

/** Follows one resolv.conf. */
export class ResolvConf {
  readonly #path: string;
  /** What the file was when it was read last: its inode, size and time of change, or why it could not be read. */
  #version = "";
  #servers: readonly Upstream[] = [];
  #checkedAt = -Infinity;
  #reading: Promise<void> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * The nameservers as the file has them now, the same array as long as they are the same; empty where there are none
   * or it cannot be read.
   */
  async servers(): Promise<readonly Upstream[]> {
    const now = performance.now();
    if (now - this.#checkedAt >= CHECK_INTERVAL) {
      this.#checkedAt = now;
      this.#reading = this.#read();
    }
    await this.#reading;
    return this.#servers;
  }

  async #read(): Promise<void> {
    try {
      const { ino, size, mtime } = await Deno.stat(this.#path);
      const version = `${ino} ${size} ${mtime?.getTime()}`;
      if (version !== this.#version) {
        this.#take(parseResolvConf(await Deno.readTextFile(this.#path)));
        this.#version = version;
      }
    } catch (error) {
      // What was read before stays in use: the file may be between two writes.
      const version = String(error);
      if (version !== this.#version) {
        log("dns").warn(`${this.#path} cannot be read: ${version}`);
      }
      this.#version = version;
    }
  }

  #take({ addresses, ignored }: ReturnType<typeof parseResolvConf>): void {
    const known = this.#servers;
    if (
      addresses.length === known.length && known.length > 0 &&
      known.every(({ address }, i) => address === addresses[i])
    ) return;
    // What is known of a server that stays is kept.
    this.#servers = addresses.map((address) =>
      known.find((each) => each.address === address) ??
        new Upstream({ address, port: DNS_PORT })
    );
    for (const value of ignored) {
      log("dns").warn(
        `${this.#path}: nameserver ${value} is left out: not a plain IPv4 or IPv6 address`,
      );
    }
    log("dns").info(
      addresses.length > 0
        ? `names that are not ours are asked at ${addresses.join(", ")}`
        : `${this.#path} has no nameserver; use --forwarder`,
    );
  }
}
