/**
 * Telling the service manager how we are: sd_notify(3) and sd_watchdog_enabled(3), the protocol that systemd speaks with
 * services of Type=notify. A message is a datagram to the Unix socket that NOTIFY_SOCKET names.
 *
 * Deno can send one only from a socket that is bound to a path, for which a confined service has no place, and not to an
 * abstract address: hence the C library.
 *
 * @module
 */
import { libc } from "../ffi/libc.ts";
import { log } from "../log.ts";

/** The same on x86_64 and aarch64. */
const AF_UNIX = 1, SOCK_DGRAM = 2, SOCK_CLOEXEC = 0x80000;
const MSG_DONTWAIT = 0x40, MSG_NOSIGNAL = 0x4000;
/** Octets of sun_path in struct sockaddr_un (unix(7)). */
const MAX_PATH = 108;

/** The service manager that waits to hear from us. */
export class ServiceManager {
  readonly #address: Uint8Array<ArrayBuffer>;
  readonly #socket: number;
  /** Milliseconds between two signs of life; none are wanted where it is undefined. */
  readonly #interval?: number;
  #timer?: ReturnType<typeof setInterval>;

  /**
   * The one that the environment names, if there is one. It is taken out of the environment: the processes that we start
   * are not the service.
   */
  static find(): ServiceManager | undefined {
    const [socket, usec, pid] = [
      "NOTIFY_SOCKET",
      "WATCHDOG_USEC",
      "WATCHDOG_PID",
    ]
      .map((name) => {
        const value = Deno.env.get(name);
        Deno.env.delete(name);
        return value;
      });
    if (!socket) return undefined;
    const address = sockaddr(socket);
    if (address === undefined) {
      log("jitsu").warn(
        `NOTIFY_SOCKET=${socket} is neither a path nor an abstract socket: the service manager is not told anything`,
      );
      return undefined;
    }
    const isOurs = pid === undefined || pid === String(Deno.pid);
    // sd_watchdog_enabled(3): half the time is the custom.
    const interval = usec !== undefined && isOurs
      ? Number(usec) / 1000 / 2
      : undefined;
    return new ServiceManager(address, interval);
  }

  private constructor(address: Uint8Array<ArrayBuffer>, interval?: number) {
    this.#address = address;
    this.#interval = interval;
    this.#socket = libc().socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  }

  /** DNS is served from now on, and so are signs of life. */
  ready(status: string): void {
    this.#tell(`READY=1\nSTATUS=${status}`);
    if (this.#interval === undefined) return;
    this.#timer = setInterval(() => this.#tell("WATCHDOG=1"), this.#interval);
  }

  stopping(): void {
    clearInterval(this.#timer);
    this.#tell("STOPPING=1");
  }

  #tell(message: string): void {
    const octets = new TextEncoder().encode(message);
    const sent = libc().sendto(
      this.#socket,
      octets,
      BigInt(octets.length),
      MSG_DONTWAIT | MSG_NOSIGNAL,
      this.#address,
      this.#address.length,
    );
    // A manager that waits for this in vain will say so itself; a sign of life comes again.
    if (Number(sent) !== octets.length) {
      log("jitsu").warn(
        `the service manager cannot be told "${message.split("\n")[0]}"`,
      );
    }
  }
}

/** struct sockaddr_un for a path, or with `@` in front for an abstract address. */
function sockaddr(socket: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[@/]./.test(socket)) return undefined;
  const path = new TextEncoder().encode(socket);
  if (path.length > MAX_PATH) return undefined;
  if (socket[0] === "@") path[0] = 0;
  const address = new Uint8Array(2 + path.length);
  address[0] = AF_UNIX; // sa_family_t, little endian
  address.set(path, 2);
  return address;
}
