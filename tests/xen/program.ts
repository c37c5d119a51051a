/**
 * The whole program in dom0 over guests of its own, for the tests that tell its stories.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { canDig, type DigResult, Jitsu } from "../e2e/harness.ts";
import { until } from "../until.ts";
import { domains, isDom0, xenstoreRead } from "./dom0.ts";
import { bootId, type Guest, type Toolstack } from "./guests.ts";

/** Seconds for what guests do under emulation. */
const PATIENCE = Number(Deno.env.get("TEST_PATIENCE") ?? 300);

/** The keys of a CONFIG whose query is answered when the guest says in xenstore that it serves. */
export const WAITS_FOR_KEY = [
  "wait_for_key=data/ready",
  `wait_timeout=${PATIENCE}`,
  "wait_required=1",
];
/** The keys of one that is answered when the guest accepts connections, for guests that come back from a file. */
export const WAITS_FOR_TCP = [
  "wait_for_tcp=80",
  `wait_timeout=${PATIENCE}`,
  "wait_required=1",
];

/** Jitsu over a toolstack. */
export class Host implements Disposable {
  readonly #all: Jitsu[] = [];
  /** Of the control sockets. */
  readonly #folder = Deno.makeTempDirSync();

  constructor(readonly toolstack: Toolstack) {}

  /** Starts Jitsu with these CONFIGs. */
  async start(...configs: string[]): Promise<Jitsu> {
    const jitsu = await Jitsu.start(
      this.toolstack.options,
      `--control=${this.#folder}/control${this.#all.length}`,
      "--forwarder=0.0.0.0",
      "--delay=0",
      "--log-level=debug",
      ...configs,
    );
    this.#all.push(jitsu);
    return jitsu;
  }

  /** The CONFIG of a guest. */
  config(guest: Guest, ...keys: string[]): string {
    return [
      `dns=${guest.name}.test`,
      `ip=${guest.ip}`,
      ...this.toolstack.keys(guest),
      ...keys,
    ].map((key) => key.replaceAll(",", "\\,")).join(",");
  }

  /** What all Jitsus have logged. */
  get log(): string {
    return this.#all.map(({ log }) => log.join("\n")).join("\n---\n");
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

/** A test with the guests of a toolstack. What Jitsu logged is in the message if it fails. */
export function testOn(
  toolstack: Toolstack,
  name: string,
  guests: Guest[],
  fn: (host: Host) => Promise<void>,
): void {
  Deno.test(name, { ignore: !isDom0 || !canDig }, async () => {
    using host = new Host(toolstack);
    await using _guests = await toolstack.start(guests);
    try {
      await fn(host);
    } catch (error) {
      throw new Error(host.log, { cause: error });
    }
  });
}

/** Asks for a guest's name until there is more to say than to ask again later. */
export function ask(jitsu: Jitsu, { name }: Guest): Promise<DigResult> {
  return jitsu.ask(`${name}.test`, { timeout: PATIENCE });
}

/** Asks for a guest's name, which must be answered with the guest's address. */
export async function answered(jitsu: Jitsu, guest: Guest): Promise<DigResult> {
  const result = await ask(jitsu, guest);
  assertEquals(
    [result.status, result.answers.map(({ data }) => data)],
    ["NOERROR", [guest.ip]],
    result.text,
  );
  return result;
}

/** Asks for a Linux guest's name; at the address that this answers the guest must serve by then. Resolves with its boot's id. */
export async function visited(jitsu: Jitsu, guest: Guest): Promise<string> {
  const { answers: [{ data }] } = await answered(jitsu, guest);
  return await bootId({ ip: data });
}

/** Whether the guest has set its key since it booted. */
export async function hasKey(guest: Guest): Promise<boolean> {
  const domid = await domidOf(guest);
  return await xenstoreRead(`/local/domain/${domid}/data/ready`) === "1";
}

/** The id of the guest's domain, if it has one. */
export async function domidOf({ name }: Guest): Promise<number | undefined> {
  return (await domains()).get(name);
}

/** Resolves when the guest has no domain: one that shut itself down is off before its domain is removed. */
export async function gone(guest: Guest): Promise<void> {
  await until(
    `${guest.name} has no domain`,
    async () => await domidOf(guest) === undefined,
  );
}

/** Has Jitsu stop a guest as its operator does, in its own mode or in this; resolves when it has no domain. */
export async function stop(
  jitsu: Jitsu,
  guest: Guest,
  mode?: string,
): Promise<void> {
  await jitsu.stopUnikernel(guest.name, mode);
  await gone(guest);
}
