/**
 * Answers for machines that boot, on the network interfaces where they will be: who asks for their MAC address is told,
 * and the SYN of each connection that is opened to them is kept until they can take it. For a machine that does not
 * boot nothing is ever sent.
 *
 * There are sockets, a thread of Deno's pool that waits for frames, and the interfaces' promiscuous mode only while a
 * machine boots.
 *
 * @module
 */
import { log } from "../log.ts";
import { macText } from "../net/mac.ts";
import { answerTo, questionFor } from "./answers.ts";
import {
  type Claim,
  forwardable,
  isSame,
  isZero,
  type Message,
  type Octets,
  type Question,
  readFrame,
  type Syn,
} from "../wire/frames.ts";
import { HeldSyns } from "./held_syns.ts";
import { EAFNOSUPPORT, ENODEV, EPERM, SystemError } from "../ffi/libc.ts";
import { Neighbours } from "../wire/neighbours.ts";
import { PacketSocket } from "../wire/packet_socket.ts";
import { Readable } from "../wire/readable.ts";

/** What is needed is not there. The message is one line that says what to do. */
export class CatchError extends Error {
  override name = "CatchError";
}

/** A machine whose connections are caught. */
export interface Caught {
  name: string;
  /** Its addresses, 4 or 16 octets each. */
  addresses: readonly Octets[];
  /** The MAC address that they are at, 6 octets. */
  mac: Octets;
  /** The MAC addresses of its other network interfaces: what they say is the machine's too. */
  otherMacs: readonly Octets[];
}

/** A SYN that waits. */
interface Waiting {
  frame: Octets;
  /** Where it was seen. */
  socket: PacketSocket;
}

/** One boot of a machine. */
interface Boot extends Caught {
  syns: HeldSyns<Waiting>;
  heard: PromiseWithResolvers<void>;
  /** Asks for it now, and again until it is heard of. */
  ask(): void;
  asking?: ReturnType<typeof setTimeout>;
  /** What has failed, which is said once. */
  failures: Set<string>;
  /** Where this host was told of which address. */
  learned: Map<string, { ifindex: number; address: Octets }>;
}

/** Milliseconds between two questions for a machine that has not answered yet, at first, and then. */
const OFTEN = 25, OFTEN_FOR = 10_000, SELDOM = 250;

/** How a boot ends, for the one who has begun it. */
export interface Catch {
  /**
   * Resolves when the machine has answered for itself: it is on the network. Not there where it will not be heard: its
   * first address is in a network of this host's that none of the interfaces is on, or another machine boots with it.
   */
  readonly heard?: Promise<void>;
  /** The machine answers for itself: it is sent what it has missed. */
  ready(): void;
  /** It will not. */
  ended(): void;
}

/** What a catcher needs. */
export interface CatcherOptions {
  /** The network interfaces where machines will be. */
  interfaces: readonly string[];
  /** A monotonic clock in milliseconds. */
  now(): number;
  /** The addresses of an interface as they are now, 4 or 16 octets each. */
  addressesOf(name: string): readonly Octets[];
  /** The network interfaces, of all that this host has, in whose networks an address of 4 or 16 octets is. */
  linksOf(address: Octets): readonly string[];
}

export class Catcher {
  readonly #options: CatcherOptions;
  readonly #neighbours: Neighbours;
  /** By their addresses. */
  readonly #boots = new Map<string, Boot>();
  #sockets: PacketSocket[] = [];
  #readable?: Readable<PacketSocket>;
  #watching = Promise.resolve();

  private constructor(options: CatcherOptions, neighbours: Neighbours) {
    this.#options = options;
    this.#neighbours = neighbours;
  }

  /** Rejects with {@linkcode CatchError} where an interface is not there, or what it takes is not allowed. */
  static async open(options: CatcherOptions): Promise<Catcher> {
    for (const name of options.interfaces) await tryInterface(name);
    const neighbours = new Neighbours();
    if (neighbours.mayChange()) return new Catcher(options, neighbours);
    neighbours[Symbol.dispose]();
    throw new CatchError(
      "it takes the capability CAP_NET_ADMIN to tell this host itself where a booting machine is: run Jitsu as root, or grant it",
    );
  }

  /** Answers for the machine from now on, until one of the two of what is returned is called. */
  start(machine: Caught): Catch {
    // An address that another machine boots with already is that one's.
    const addresses = machine.addresses.filter((each) =>
      !this.#boots.has(each.toHex())
    );
    const boot: Boot = {
      ...machine,
      addresses,
      syns: new HeldSyns(this.#options.now),
      heard: Promise.withResolvers(),
      ask: () => {},
      failures: new Set(),
      learned: new Map(),
    };
    for (const address of addresses) this.#boots.set(address.toHex(), boot);
    if (this.#readable === undefined) this.#watch();
    const links = new Map(
      addresses.map((each) => [each, this.#options.linksOf(each)]),
    );
    boot.ask = this.#asking(
      boot,
      this.#sockets.flatMap((socket) => [
        ...this.#hints(boot, socket, links),
        ...this.#questions(boot, socket),
      ]),
    );
    boot.ask();
    const names = links.get(machine.addresses[0]);
    const isHere = names?.length === 0 || // nobody knows: on an interface that has no address itself
      this.#sockets.some(({ name }) => names?.includes(name));
    return {
      heard: isHere ? boot.heard.promise : undefined,
      ready: () => {
        this.#letGo(boot);
        this.#end(boot);
      },
      ended: () => this.#abandon(boot),
    };
  }

  /** Answers for nobody any more. */
  async close(): Promise<void> {
    for (const boot of new Set(this.#boots.values())) this.#end(boot);
    await this.#watching;
    this.#neighbours[Symbol.dispose]();
  }

  /** Opens the sockets and reads them until no machine boots any more. */
  #watch(): void {
    this.#sockets = this.#options.interfaces.flatMap((name) => {
      try {
        return [new PacketSocket(name)];
      } catch (error) {
        const { message } = error as Error;
        log("catch").warn(`${name}: nothing is caught there: ${message}`);
        return [];
      }
    });
    const sockets = this.#sockets;
    const readable = this.#readable = new Readable(sockets);
    this.#watching = readable.forEach((socket) =>
      socket.receive((frame, isOwn) => {
        for (const message of readFrame(frame)) {
          this.#hear(message, frame, socket, isOwn);
        }
      })
    ).finally(async () => {
      for (const socket of sockets) await socket[Symbol.asyncDispose]();
    });
  }

  #hear(
    message: Message,
    frame: Octets,
    socket: PacketSocket,
    isOwn: boolean,
  ): void {
    switch (message.kind) {
      case "question":
        return this.#answer(message, socket, isOwn);
      case "claim":
        return this.#compare(message);
      case "syn":
        return this.#keep(message, frame, socket);
    }
  }

  #answer(question: Question, socket: PacketSocket, isOwn: boolean): void {
    const { target, address, mac } = question;
    const boot = this.#boots.get(target.toHex());
    if (boot === undefined) return;
    // The machine itself, which makes sure that its address is free. It is on the network, then.
    if (hasMac(boot, mac)) return boot.ask();
    if (!isOwn) {
      const answer = answerTo(question, boot.mac, socket.mac);
      this.#attempt(boot, () => socket.send(answer));
    } else if (!isZero(address)) this.#tellHost(boot, socket, target);
  }

  /**
   * This host would not hear an answer that is sent. It is told when it asks, and before: on a bridge that has no link
   * yet nobody sees it ask. And again: when a link is lost, it forgets.
   */
  #tellHost(
    boot: Boot,
    { ifindex }: PacketSocket,
    target: Octets,
    when?: "unless it knows better",
  ): void {
    const address = target.slice();
    this.#attempt(boot, () => {
      this.#neighbours.learn(ifindex, address, boot.mac, when);
      boot.learned.set(`${ifindex} ${address.toHex()}`, { ifindex, address });
    });
  }

  /** If somebody else has an address of the machine, it is theirs. */
  #compare({ address, mac }: Claim): void {
    const boot = this.#boots.get(address.toHex());
    if (boot === undefined) return;
    if (hasMac(boot, mac)) return this.#askNoMore(boot);
    log("catch").warn(
      `${boot.name}: somebody else has its address, at ${
        macText(mac)
      } instead of ${
        macText(boot.mac)
      }; its connections are not caught this time`,
      { unikernel: boot.name, mac: macText(mac) },
    );
    this.#abandon(boot);
  }

  #keep(
    { mac, destination, connection }: Syn,
    frame: Octets,
    socket: PacketSocket,
  ): void {
    const boot = this.#boots.get(destination.toHex());
    if (boot === undefined || !isSame(boot.mac, mac)) return;
    boot.syns.keep(connection, { frame: frame.slice(), socket });
  }

  #letGo(boot: Boot): void {
    let count = 0;
    for (const { frame, socket } of boot.syns.take()) {
      const copy = forwardable(frame, socket.mac);
      if (copy === undefined) continue; // damaged: whoever sent it will send it again
      this.#attempt(boot, () => {
        socket.send(copy);
        count++;
      });
    }
    if (count === 0) return;
    log("catch").info(
      `${boot.name}: sent it ${count} first ${
        count === 1 ? "packet" : "packets"
      } that it had missed`,
      { unikernel: boot.name, count },
    );
  }

  /**
   * What asks for the machine and tells this host of it, now and again until {@linkcode Catcher.#askNoMore}. If somebody
   * else answers, the address is theirs. Questions may wait for the machine somewhere, as in QEMU until there is a driver, which is why it is asked less often
   * when it takes long.
   */
  #asking(boot: Boot, works: readonly (() => void)[]): () => void {
    if (works.length === 0) return () => {};
    const until = this.#options.now() + OFTEN_FOR;
    const ask = () => {
      clearTimeout(boot.asking);
      for (const work of works) this.#attempt(boot, work);
      const isOften = this.#options.now() < until;
      boot.asking = setTimeout(ask, isOften ? OFTEN : SELDOM);
    };
    return ask;
  }

  /** Tells this host where the machine will be, each for an address that it looks for at that socket's interface. */
  #hints(
    boot: Boot,
    socket: PacketSocket,
    links: ReadonlyMap<Octets, readonly string[]>,
  ): (() => void)[] {
    return boot.addresses.filter((each) =>
      links.get(each)!.includes(socket.name)
    ).map((each) => () =>
      this.#tellHost(boot, socket, each, "unless it knows better")
    );
  }

  /** Asks everybody there for the machine, each for one address. */
  #questions(boot: Boot, socket: PacketSocket): (() => void)[] {
    const all = this.#options.addressesOf(socket.name);
    const ipv4 = all.find(({ length }) => length === 4) ?? new Uint8Array(4);
    const linkLocal = all.find(isLinkLocal);
    return boot.addresses.flatMap((address) => {
      const own = address.length === 4 ? ipv4 : linkLocal;
      if (own === undefined) return [];
      const question = questionFor(address, own, socket.mac);
      return [() => socket.send(question)];
    });
  }

  /** Forgets the machine, and lets this host forget it. */
  #abandon(boot: Boot): void {
    for (const { ifindex, address } of boot.learned.values()) {
      this.#attempt(boot, () => this.#neighbours.forget(ifindex, address));
    }
    boot.learned.clear();
    boot.syns.take();
    this.#end(boot);
  }

  /** It has been heard of, or nobody needs to hear of it any more. */
  #askNoMore(boot: Boot): void {
    clearTimeout(boot.asking);
    boot.ask = () => {};
    boot.heard.resolve();
  }

  #end(boot: Boot): void {
    this.#askNoMore(boot);
    for (const [address, each] of this.#boots) {
      if (each === boot) this.#boots.delete(address);
    }
    if (this.#boots.size > 0) return;
    this.#readable?.close();
    this.#readable = undefined;
    this.#sockets = [];
  }

  /** What fails here does not stop a machine from booting. */
  #attempt(boot: Boot, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      if (boot.failures.has(error.message)) return;
      boot.failures.add(error.message);
      log("catch").warn(`${boot.name}: ${error.message}`);
    }
  }
}

/** Makes sure that frames can be read and sent on an interface. */
async function tryInterface(name: string): Promise<void> {
  try {
    await new PacketSocket(name)[Symbol.asyncDispose]();
  } catch (error) {
    const errno = error instanceof SystemError ? error.errno : undefined;
    const reason = errno === EPERM
      ? "it takes the capability CAP_NET_RAW to read and send frames: run Jitsu as root, or grant it"
      : errno === ENODEV
      ? "there is no such network interface (see ip link)"
      : errno === EAFNOSUPPORT
      ? "AF_PACKET is not allowed here: a service has to be granted it, and CAP_NET_RAW, as jitsu.service says at --catch"
      : (error as Error).message;
    throw new CatchError(`${name}: ${reason}`);
  }
}

function hasMac({ mac, otherMacs }: Boot, other: Octets): boolean {
  return [mac, ...otherMacs].some((each) => isSame(each, other));
}

/** Whether it is an IPv6 address of one link, RFC 4291 section 2.5.6. */
function isLinkLocal({ length, 0: first, 1: second }: Octets): boolean {
  return length === 16 && first === 0xfe && (second & 0xc0) === 0x80;
}
