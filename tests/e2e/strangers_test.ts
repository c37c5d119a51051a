/**
 * Hosts of the network that the program serves, and strangers behind it, whose addresses may be forged: each in a
 * network namespace.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { Namespace, plugIn } from "../catch/namespace.ts";
import { run } from "../run.ts";
import {
  canDig,
  type DigResult,
  isInstalled,
  Jitsu,
  parseDig,
} from "./harness.ts";

const canRun = canDig && Deno.uid() === 0 && await isInstalled("python3", "-V");
if (!canRun) {
  // deno-lint-ignore no-console -- says why tests do not run
  console.log("skipped: tests of strangers need root, dig and python3");
}

/** The program's own address in the network that it serves, and a neighbour's. */
const SERVER = "10.99.53.1", NEIGHBOUR = "10.99.53.2";
/** Strangers have any address in here. */
const STRANGERS = "203.0.113.0/24";
const STRANGER = new URL("stranger.py", import.meta.url).pathname;

/** One that is ready from the first query on. */
const READY = "dns=www.example,ip=192.0.2.1,name=www,command=sleep infinity";

/** The program, and those who ask it. */
class Scene implements AsyncDisposable {
  constructor(readonly jitsu: Jitsu, readonly outside: Namespace) {}

  /** Asks as a neighbour, or as whoever has that address. */
  async dig(
    name: string,
    args: string[] = [],
    from = NEIGHBOUR,
  ): Promise<DigResult> {
    const began = performance.now();
    const text = await this.outside.run(
      "sh",
      "-c",
      'exec dig "$@" || true',
      "dig",
      ...[`@${SERVER}`, "-p", String(this.jitsu.port), "-b", from],
      ...["+tries=1", "+timeout=5", ...args, name, "A"],
    );
    return { ...parseDig(text), began, ended: performance.now(), text };
  }

  /** Sends queries over UDP at 8,000 a second. */
  async flood(count: number, from: string, cookie?: string) {
    const text = await this.outside.run(
      ...["python3", STRANGER, "flood", SERVER, String(this.jitsu.port)],
      ...[String(count), from, ...cookie === undefined ? [] : [cookie]],
    );
    return JSON.parse(text) as {
      seconds: number;
      sentOctets: number;
      octets: number;
      responses: number;
      truncated: number;
      rcodes: Record<string, number>;
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.jitsu[Symbol.asyncDispose]();
    await this.outside[Symbol.asyncDispose]();
  }
}

async function setUp(name: string, ...args: string[]): Promise<Scene> {
  const outside = await Namespace.start(name);
  try {
    await plugIn(outside);
    await run(["ip", "address", "add", `${SERVER}/24`, "dev", name]);
    await outside.run("ip", "address", "add", `${NEIGHBOUR}/24`, "dev", "eth0");
    await outside.run("ip", "link", "set", "lo", "up");
    await outside.run("ip", "address", "add", STRANGERS, "dev", "lo");
    await run(["ip", "route", "add", STRANGERS, "via", NEIGHBOUR]);
    const jitsu = await Jitsu.start(
      "--backend=process",
      `--bind=${SERVER}`,
      "--forwarder=0.0.0.0",
      ...args,
    );
    return new Scene(jitsu, outside);
  } catch (error) {
    await outside[Symbol.asyncDispose]();
    throw error;
  }
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !canRun, fn });
}

test("strangers who open connections without end keep no neighbour from asking over TCP", async () => {
  await using scene = await setUp("stranger0", READY);
  const strangers = [1, 2, 3, 4].map((each) => `203.0.113.${each}`);
  const { outside, jitsu } = scene;
  await outside.spawn(
    ...["python3", STRANGER, "hold", SERVER, String(jitsu.port), "64"],
    ...strangers,
  );
  const { status, text } = await scene.dig("www.example", ["+tcp"]);
  assertEquals(status, "NOERROR", text);
});

test("neighbours who have all connections let another one in", async () => {
  await using scene = await setUp("stranger1", "--allow=203.0.113.0/24", READY);
  const greedy = [1, 2, 3, 4].map((each) => `203.0.113.${each}`);
  const { outside, jitsu } = scene;
  await outside.spawn(
    ...["python3", STRANGER, "hold", SERVER, String(jitsu.port), "64"],
    ...greedy,
  );
  const { status, text } = await scene.dig("www.example", ["+tcp"]);
  assertEquals(status, "NOERROR", text);
});

test("a forged address that may not ask gets a few refusals a second", async () => {
  await using scene = await setUp("stranger2", READY);
  const { responses, seconds } = await scene.flood(16_000, "203.0.113.9");
  assert(responses > 0 && responses <= 10 * (seconds + 2), `${responses}`);
});

test("a forged address that may ask gets so many answers a second, and is otherwise told to come back in fewer octets than it sent", async () => {
  await using scene = await setUp("stranger3", "--allow=203.0.113.0/24", READY);
  const count = 16_000;
  for (const [i, cookie] of [undefined, "0102030405060708"].entries()) {
    // Each from a network of its own, with a full bucket.
    const { responses, seconds, sentOctets, octets } = await scene.flood(
      count,
      i === 0 ? "203.0.113.9" : NEIGHBOUR,
      cookie,
    );
    const whole = 2000 + 1000 * (seconds + 1);
    assert(responses <= whole + (count - whole) / 2, `${responses}`);
    assert(octets < sentOctets, `${octets} for ${sentOctets}`);
  }
});

/** One that nobody has asked for yet. */
const cold = (number: number) =>
  `dns=cold${number}.example,ip=192.0.2.${number},name=cold${number},command=sleep infinity`;

test("a forged packet starts nothing, and a stranger who answers to his address is served at once", async () => {
  await using scene = await setUp(
    "stranger4",
    "--allow=203.0.113.0/24",
    READY,
    cold(7),
    cold(8),
  );
  const isStarted = () =>
    scene.jitsu.log.some((line) => line.includes("summoned by"));
  const { responses } = await scene.flood(100, "203.0.113.9");
  assert(responses > 0);
  assert(!isStarted(), scene.jitsu.log.join("\n"));
  // dig comes back with the cookie that it was given, or where it wants none by TCP.
  for (const [i, args] of [[], ["+nocookie"]].entries()) {
    const { status, text } = await scene.dig(
      `cold${7 + i}.example`,
      args,
      "203.0.113.9",
    );
    assertEquals(status, "NOERROR", text);
    await scene.jitsu.logged(
      new RegExp(`cold${7 + i}: summoned by A .* from 203.0.113.9#`),
    );
  }
});
