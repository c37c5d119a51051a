/**
 * DNS cookies, the server's side (RFC 7873), in the form that all servers of an anycast group could share (RFC 9018).
 *
 * A valid server cookie shows that the client receives what is sent to its address: it is no victim of a forger. The
 * secret is made at start and again every day; cookies of the one before stay valid, since they outlive it by an hour
 * at the most.
 *
 * @module
 */
import { EdnsOption } from "../wire/constants.ts";
import { sipHash24 } from "../wire/siphash.ts";

const CLIENT_COOKIE = 8;
/** Version, three reserved octets, timestamp, hash (RFC 9018 section 4). */
const SERVER_COOKIE = 16;
const VERSION = 1;
/** Octets of the COOKIE option in a response, with its code and length. */
export const COOKIE_OPTION_SIZE = 4 + CLIENT_COOKIE + SERVER_COOKIE;

/** Seconds: how old a cookie may be, how far ahead of our clock, and when a fresh one is given (RFC 9018 section 4.3). */
const MAX_AGE = 3600, MAX_AHEAD = 300, REFRESH_AGE = 1800;
const SECRET_LIFETIME = 86400;

/** Makes and checks server cookies. */
export class Cookies {
  /** The secret in use and the one before it, 16 octets each. */
  #secrets: Uint8Array[];
  #secretMadeAt: number;
  readonly #now: () => number;

  /**
   * @param now seconds since the epoch
   * @param secret 16 octets; random unless given
   */
  constructor(now: () => number, secret: Uint8Array = randomSecret()) {
    this.#now = now;
    this.#secrets = [secret];
    this.#secretMadeAt = now();
  }

  /** Whether the option's data is a client cookie with a server cookie of ours for that address. */
  isValid(cookie: Uint8Array, address: Uint8Array): boolean {
    if (cookie.length !== CLIENT_COOKIE + SERVER_COOKIE) return false;
    const age = this.#age(cookie);
    if (age > MAX_AGE || age < -MAX_AHEAD) return false;
    this.#rollOver();
    return this.#secrets.some((secret) => {
      const hash = hashOf(
        secret,
        cookie.subarray(0, CLIENT_COOKIE + 8),
        address,
      );
      let difference = 0;
      for (let i = 0; i < hash.length; i++) {
        difference |= hash[i] ^ cookie[CLIENT_COOKIE + 8 + i];
      }
      return difference === 0;
    });
  }

  /** The COOKIE option for the response: the client's cookie, with a server cookie that is fresh where it has to be. */
  option(cookie: Uint8Array, address: Uint8Array, valid: boolean): Uint8Array {
    const option = new Uint8Array(COOKIE_OPTION_SIZE);
    option.set([0, EdnsOption.COOKIE, 0, CLIENT_COOKIE + SERVER_COOKIE]);
    const data = option.subarray(4);
    if (valid && this.#age(cookie) < REFRESH_AGE) {
      data.set(cookie);
      return option;
    }
    this.#rollOver();
    data.set(cookie.subarray(0, CLIENT_COOKIE));
    data[CLIENT_COOKIE] = VERSION;
    new DataView(data.buffer, data.byteOffset).setUint32(
      CLIENT_COOKIE + 4,
      this.#now(),
    );
    data.set(
      hashOf(this.#secrets[0], data.subarray(0, CLIENT_COOKIE + 8), address),
      CLIENT_COOKIE + 8,
    );
    return option;
  }

  /** Seconds since a server cookie was made; negative for one from ahead of our clock (RFC 1982 arithmetic). */
  #age(cookie: Uint8Array): number {
    const made = new DataView(cookie.buffer, cookie.byteOffset).getUint32(
      CLIENT_COOKIE + 4,
    );
    return Math.floor(this.#now()) - made | 0;
  }

  #rollOver(): void {
    if (this.#now() - this.#secretMadeAt < SECRET_LIFETIME) return;
    this.#secrets = [randomSecret(), this.#secrets[0]];
    this.#secretMadeAt = this.#now();
  }
}

function randomSecret(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(16));
}

/** Over client cookie, version, reserved octets, timestamp and the client's address (RFC 9018 section 4.4). */
function hashOf(
  secret: Uint8Array,
  start: Uint8Array,
  address: Uint8Array,
): Uint8Array {
  const input = new Uint8Array(start.length + address.length);
  input.set(start);
  input.set(address, start.length);
  return sipHash24(secret, input);
}
