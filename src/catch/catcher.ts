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
import { answerTo } from "./answers.ts";
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
import { Link } from "./link.ts";
import { EAFNOSUPPORT, ENODEV, EPERM, SystemError } from "../ffi/libc.ts";
import { LinkEvents } from "../wire/link_events.ts";
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
  link: Link;
}

/** One boot of a machine. */
interface Boot extends Caught {
  syns: HeldSyns<Waiting>;
  heard: PromiseWithResolvers<void>;
  isHeard: boolean;
  /** When it began, by the catcher's clock. */
  began: number;
  asking?: ReturnType<typeof setTimeout>;
  /** Where this host would look for which of its addresses. */
  places: readonly { address: Octets; link: Link }[];
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
  #links: readonly Link[] = [];
  #readable?: Readable<PacketSocket | LinkEvents>;
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
    if (this.#readable === undefined) this.#watch();
    // An address that another machine boots with already is that one's.
    const addresses = machine.addresses.filter((each) =>
      !this.#boots.has(each.toHex())
    );
    const boot: Boot = {
      ...machine,
      addresses,
      syns: new HeldSyns(this.#options.now),
      heard: Promise.withResolvers(),
      isHeard: false,
      began: this.#options.now(),
      places: this.#placesOf(addresses),
      failures: new Set(),
      learned: new Map(),
    };
    for (const address of addresses) this.#boots.set(address.toHex(), boot);
    this.#ask(boot);
    const [first] = machine.addresses;
    const names = this.#options.linksOf(first);
    const isHere = first === addresses[0] &&
      (names.length === 0 || // nobody knows: on an interface that has no address itself
        this.#links.some(({ name }) => names.includes(name)));
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
    const { interfaces, addressesOf } = this.#options;
    const links = interfaces.map((name) => new Link(name, addressesOf));
    using failing = new DisposableStack();
    const events = failing.use(new LinkEvents()); // before it looks, so that no change is missed
    const readable = new Readable<PacketSocket | LinkEvents>(
      () => [...links.flatMap(({ socket }) => socket ?? []), events],
    );
    failing.move();
    this.#links = links;
    this.#readable = readable;
    for (const link of links) link.look();
    this.#watching = readable.forEach((source) => {
      if (source instanceof LinkEvents) {
        source.drain();
        return this.#look();
      }
      const link = links.find(({ socket }) => socket === source)!;
      source.receive((frame, isOwn) => {
        for (const message of readFrame(frame)) {
          this.#hear(message, frame, link, isOwn);
        }
      });
    }).finally(async () => {
      events[Symbol.dispose]();
      for (const link of links) await link[Symbol.asyncDispose]();
    });
  }

  /**
   * Something about this host's interfaces has changed. Machines that were asked for where there is another address now,
   * also those that have been heard of, know the one before and send what they answer there: they are asked again.
   */
  #look(): void {
    const isOther = this.#links.filter((link) => link.look()).length > 0;
    for (const boot of new Set(this.#boots.values())) {
      boot.places = this.#placesOf(boot.addresses);
      if (isOther) this.#tell(boot);
    }
  }

  #placesOf(addresses: readonly Octets[]): Boot["places"] {
    return addresses.flatMap((address) => {
      const names = this.#options.linksOf(address);
      return this.#links.filter(({ name }) => names.includes(name))
        .map((link) => ({ address, link }));
    });
  }

  #hear(
    message: Message,
    frame: Octets,
    link: Link,
    isOwn: boolean,
  ): void {
    switch (message.kind) {
      case "question":
        return this.#answer(message, link, isOwn);
      case "claim":
        return this.#compare(message);
      case "syn":
        return this.#keep(message, frame, link);
    }
  }

  #answer(question: Question, link: Link, isOwn: boolean): void {
    const { target, address, mac } = question;
    const boot = this.#boots.get(target.toHex());
    if (boot === undefined) return;
    // The machine itself, which makes sure that its address is free. It is on the network, then.
    if (hasMac(boot, mac)) return this.#ask(boot);
    if (!isOwn) {
      this.#attempt(
        boot,
        () => link.send((own) => answerTo(question, boot.mac, own)),
      );
    } else if (!isZero(address)) this.#tellHost(boot, link, target);
  }

  /**
   * This host would not hear an answer that is sent. It is told when it asks, and before: on a bridge that has no link
   * yet nobody sees it ask. And again: when a link is lost, it forgets.
   */
  #tellHost(
    boot: Boot,
    { socket }: Link,
    target: Octets,
    when?: "unless it knows better",
  ): void {
    if (socket === undefined) return;
    const { ifindex } = socket;
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
    link: Link,
  ): void {
    const boot = this.#boots.get(destination.toHex());
    if (boot === undefined || !isSame(boot.mac, mac)) return;
    boot.syns.keep(connection, { frame: frame.slice(), link });
  }

  #letGo(boot: Boot): void {
    let count = 0;
    for (const { frame, link } of boot.syns.take()) {
      this.#attempt(boot, () => {
        // One that is damaged is not sent: whoever sent it will send it again.
        if (link.send((own) => forwardable(frame, own))) count++;
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
   * Asks for the machine and tells this host of it, now and again until {@linkcode Catcher.#askNoMore}. If somebody else
   * answers, the address is theirs. Questions may wait for the machine somewhere, as in QEMU until there is a driver,
   * which is why it is asked less often when it takes long.
   */
  #ask(boot: Boot): void {
    clearTimeout(boot.asking);
    if (boot.isHeard || boot.addresses.length === 0) return;
    this.#tell(boot);
    const isOften = this.#options.now() < boot.began + OFTEN_FOR;
    boot.asking = setTimeout(() => this.#ask(boot), isOften ? OFTEN : SELDOM);
  }

  /** Tells this host where the machine will be, and asks everybody for it, who learn where this host is. */
  #tell(boot: Boot): void {
    for (const { address, link } of boot.places) {
      this.#tellHost(boot, link, address, "unless it knows better");
    }
    for (const link of this.#links) {
      for (const address of boot.addresses) {
        this.#attempt(boot, () => link.ask(address));
      }
    }
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
    boot.isHeard = true;
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
    this.#links = [];
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
