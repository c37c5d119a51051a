/**
 * Run by catcher_test.ts in a network namespace of its own, as root: `catcher_scenario.ts NAME`.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertGreater,
  assertMatch,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { questionFor } from "../../src/catch/answers.ts";
import { Catcher } from "../../src/catch/catcher.ts";
import { readFrame } from "../../src/wire/frames.ts";
import { PacketSocket } from "../../src/wire/packet_socket.ts";
import { addressesOf } from "../../src/daemon/catch.ts";
import { parseAddress } from "../../src/net/address.ts";
import { linksOf } from "../../src/net/network.ts";
import { collectLog } from "../collect_log.ts";
import { run } from "../run.ts";
import { until } from "../until.ts";
import { FRAMES, OTHERS } from "../wire/frames.ts";
import {
  addBridge,
  addDefaultRoute,
  BRIDGE,
  CONNECT,
  Lab,
  type LabHost,
  SERVE,
} from "./lab.ts";
import { type Namespace, plugIn } from "./namespace.ts";

const PORT = "80";
const FRAMES_PY = [
  "python3",
  new URL("../wire/frames.py", import.meta.url).pathname,
];
const log = collectLog("catch");

const octetsOf = (address: string) => parseAddress(address)!;
const macOf = (text: string) => Uint8Array.fromHex(text.replaceAll(":", ""));

function newCatcher(): Promise<Catcher> {
  return Catcher.open({
    interfaces: [BRIDGE],
    now: () => performance.now(),
    addressesOf,
    linksOf,
  });
}

function machine({ namespace: { name }, ipv4, ipv6, mac }: LabHost) {
  const addresses = [octetsOf(ipv4), octetsOf(ipv6)];
  return { name, addresses, mac: macOf(mac), otherMacs: [] };
}

type Run = Namespace["run"];

/** Runs a command on the host that the bridge is on, as on the others. */
const here: Run = (...command) => run(command);

/** What a host says of an address in its table of neighbours. */
function neighbour(on: Run, address: string): Promise<string> {
  return on("ip", "neigh", "show", address);
}

/** Which port of the bridge a MAC address was learned at; undefined where it was not. */
async function portOf(mac: string): Promise<string | undefined> {
  const lines = (await here("bridge", "fdb", "show", "br", BRIDGE)).split("\n");
  return lines.map((line) => /^(\S+) dev (\S+)/.exec(line))
    .find((match) => match?.[1] === mac)?.[2];
}

/**
 * Somebody connects to a machine that boots, and another who may be the same asks for its MAC address. Resolves with how
 * often the SYN was sent again until it was connected; the first was sent before the machine was there.
 */
async function connectWhileItBoots(
  lab: Lab,
  { on, asker }: { on: Run; asker: Run },
  address: (guest: LabHost) => string,
  catcher: Catcher,
  name: string,
): Promise<number> {
  const guest = await lab.add(name, { isPluggedIn: false });
  await guest.namespace.spawn(...SERVE, PORT);
  const caught = catcher.start(machine(guest));
  const connecting = on(...CONNECT, address(guest), PORT);
  await until("a SYN is sent", async () => {
    const sockets = await on("cat", "/proc/net/tcp", "/proc/net/tcp6");
    return / 02 /.test(sockets) && // SYN_SENT
      (await neighbour(asker, address(guest))).includes(guest.mac);
  });
  assertEquals(await portOf(guest.mac), undefined, "learned where it is not");
  await plugIn(guest.namespace);
  await addDefaultRoute(guest);
  await caught.heard;
  caught.ready();
  const again = Number(await connecting);
  assertEquals(await portOf(guest.mac), guest.namespace.name);
  return again;
}

/** Adds a host that is not on the bridge yet, as a guest whose interface is made when it starts. */
async function addUnborn(lab: Lab, name: string): Promise<LabHost> {
  const guest = await lab.add(name, { isPluggedIn: false });
  await here("ip", "link", "set", name, "nomaster");
  await guest.namespace.spawn(...SERVE, PORT);
  return guest;
}

async function join({ namespace }: LabHost): Promise<void> {
  await here("ip", "link", "set", namespace.name, "master", BRIDGE);
  await plugIn(namespace);
}

/** The MAC address of the bridge at this moment. */
async function bridgeMac(): Promise<string> {
  const text = await here("ip", "-o", "link", "show", "dev", BRIDGE);
  return /link\/ether (\S+)/.exec(text)![1];
}

/** Resolves when the host knows where the bridge is now, and nothing else. */
async function knowsBridge({ namespace }: LabHost): Promise<void> {
  const mac = await bridgeMac();
  await until(
    `${namespace.name} knows that the bridge is at ${mac}`,
    async () => (await neighbour(namespace.run, "10.99.0.1")).includes(mac),
    10_000,
  );
}

/** A machine boots, joins the bridge meanwhile, and is visited from this host at once. */
async function visitAtBirth(catcher: Catcher, guest: LabHost): Promise<void> {
  const caught = catcher.start(machine(guest));
  const visits = [guest.ipv4, guest.ipv6].map((each) =>
    here(...CONNECT, each, PORT)
  );
  await join(guest);
  await caught.heard;
  await knowsBridge(guest);
  caught.ready();
  await Promise.all(visits);
}

const SCENARIOS: Record<string, () => Promise<void>> = {
  async filter() {
    await using lab = await Lab.start();
    const client = await lab.add("client");
    await using socket = new PacketSocket(BRIDGE);
    const send = (...frames: Uint8Array[]) =>
      client.namespace.run(
        ...FRAMES_PY,
        "send",
        "eth0",
        ...frames.map((f) => f.toHex()),
      );
    const tagged = FRAMES.arpRequest.slice();
    // IEEE 802.1Q: a tag of VLAN 5 before the EtherType.
    const [to, rest] = [tagged.subarray(0, 12), tagged.subarray(12)];
    const vlan = Uint8Array.of(...to, 0x81, 0x00, 0x00, 0x05, ...rest);
    await send(...Object.values(OTHERS), vlan, ...Object.values(FRAMES));
    const passed: string[] = [];
    await until("all have passed", () => {
      socket.receive((frame, isOwn) => {
        if (!isOwn) passed.push(frame.toHex());
      });
      const last = Object.values(FRAMES).at(-1)!.toHex();
      return passed.includes(last);
    });
    const known = [...Object.values(OTHERS), vlan, ...Object.values(FRAMES)]
      .map((frame) => frame.toHex());
    assertEquals(
      passed.filter((frame) => known.includes(frame)),
      Object.values(FRAMES).map((frame) => frame.toHex()),
    );
  },

  async clients() {
    await using lab = await Lab.start();
    const port = await lab.add("port");
    const remote = await lab.addRemote("remote");
    const catcher = await newCatcher();
    let guests = 0;
    for (
      const [who, client] of [
        ["port", { on: port.namespace.run, asker: port.namespace.run }],
        ["host", { on: here, asker: here }],
        ["remote", { on: remote.namespace.run, asker: here }],
      ] as const
    ) {
      for (const family of ["ipv4", "ipv6"] as const) {
        // A SYN is sent again after 1 s: on a busy machine it may take longer than that to plug something in.
        const tries: number[] = [];
        while (tries.at(-1) !== 0) {
          assert(
            tries.length < 5,
            `${who} over ${family}: sent again ${tries}`,
          );
          tries.push(
            await connectWhileItBoots(
              lab,
              client,
              (guest) => guest[family],
              catcher,
              `guest${++guests}`,
            ),
          );
        }
      }
    }
    assertEquals(await portOf(port.mac), port.namespace.name);
    await catcher.close();
  },

  async foreign() {
    await using lab = await Lab.start();
    const client = await lab.add("client");
    const guest = await lab.add("guest", { isPluggedIn: false });
    const other = await lab.add("other", { isPluggedIn: false });
    const heard = await client.namespace.spawn(...FRAMES_PY, "listen", "eth0");
    /** Who somebody has told the client of. */
    const told = () =>
      heard.flatMap((line) => readFrame(Uint8Array.fromHex(line)))
        .flatMap((each) => each.kind === "claim" ? [each.address.toHex()] : []);
    const ask = (family: "ipv4" | "ipv6", address: string) => {
      const own = octetsOf(client[family]);
      const question = questionFor(octetsOf(address), own, macOf(client.mac));
      return client.namespace.run(
        ...FRAMES_PY,
        "send",
        "eth0",
        question.toHex(),
      );
    };
    const catcher = await newCatcher();
    for (const family of ["ipv4", "ipv6"] as const) {
      const mine = octetsOf(guest[family]).toHex();
      await ask(family, guest[family]); // it does not boot yet
      const caught = catcher.start(machine(guest));
      await ask(family, other[family]);
      await ask(family, family === "ipv4" ? "10.99.0.77" : "fd99::77");
      const hosts = ["10.99.0.1", "fd99::1"].map((each) =>
        octetsOf(each).toHex()
      );
      const claims = () =>
        told().filter((each) =>
          !hosts.includes(each) && !each.startsWith("fe80")
        );
      assertEquals(claims(), []);
      await ask(family, guest[family]);
      await until(
        "the booting machine is answered for",
        () => claims().includes(mine),
      );
      caught.ended();
      heard.length = 0;
      await ask(family, guest[family]);
      assertEquals(claims(), []);
    }
    await catcher.close();
  },

  async ended() {
    await using lab = await Lab.start();
    const guest = await lab.add("guest", { isPluggedIn: false });
    const catcher = await newCatcher();
    for (const family of ["ipv4", "ipv6"] as const) {
      const caught = catcher.start(machine(guest));
      const address = guest[family];
      const leaving = new AbortController();
      const { signal } = leaving;
      const visit = Deno.connect({ hostname: address, port: 80, signal })
        .catch(() => {});
      const known = async () =>
        (await neighbour(here, address)).includes(guest.mac);
      await until("this host knows where the machine is", known);
      caught.ended();
      assertEquals(await known(), false);
      leaving.abort();
      await visit;
    }
    assertEquals(log, []);
    await catcher.close();
  },

  async owner() {
    await using lab = await Lab.start();
    const client = await lab.add("client");
    const owner = await lab.add("owner");
    await owner.namespace.spawn(...SERVE, PORT);
    for (const family of ["ipv4", "ipv6"] as const) {
      const catcher = await newCatcher();
      const caught = catcher.start({
        name: "www",
        addresses: [octetsOf(owner[family])],
        mac: macOf("52:54:00:00:99:77"),
        otherMacs: [],
      });
      await until("the owner is heard of", () => log.length > 0);
      assertMatch(
        log.splice(0).join(),
        /^WARN(ING)? www: somebody else has its address, at 52:54:00:00:99:03 instead of 52:54:00:00:99:77; /,
      );
      assertEquals(
        Number(await client.namespace.run(...CONNECT, owner[family], PORT)),
        0,
      );
      assertEquals(Number(await here(...CONNECT, owner[family], PORT)), 0);
      assert(
        (await neighbour(client.namespace.run, owner[family])).includes(
          owner.mac,
        ),
      );
      caught.ready();
      await catcher.close();
    }
  },

  async probes() {
    await using lab = await Lab.start();
    const guest = await lab.add("guest");
    const catcher = await newCatcher();
    const address = "fd99::77";
    const caught = catcher.start({
      ...machine(guest),
      addresses: [octetsOf(address)],
    });
    await guest.namespace.run(
      "sh",
      "-c",
      "echo 1 >/proc/sys/net/ipv6/conf/eth0/accept_dad",
    );
    await guest.namespace.run(
      "ip",
      "address",
      "add",
      `${address}/64`,
      "dev",
      "eth0",
    );
    const show = () =>
      guest.namespace.run(
        "ip",
        "address",
        "show",
        "dev",
        "eth0",
        "to",
        address,
      );
    await until(
      "the guest has made sure that its address is free",
      async () => !(await show()).includes("tentative"),
    );
    assert(!(await show()).includes("dadfailed"), await show());
    assertEquals(log, []);
    caught.ended();
    await catcher.close();
  },

  async linkless() {
    await using lab = await Lab.start(); // whose bridge has no port yet
    const catcher = await newCatcher();
    const mac = "52:54:00:00:99:77";
    const addresses = ["10.99.0.77", "fd99::77"];
    const boot = { name: "www", mac: macOf(mac), otherMacs: [] };
    const start = () =>
      catcher.start({ ...boot, addresses: addresses.map(octetsOf) });
    const caught = start();
    for (const address of addresses) {
      assertMatch(await neighbour(here, address), RegExp(`${mac} REACHABLE`));
    }
    caught.ended();
    const guest = await lab.add("guest");
    const other = await lab.add("other"); // with which the bridge keeps its link
    addresses.splice(0, 2, guest.ipv4, guest.ipv6);
    for (const hostname of [other.ipv4, ...addresses]) {
      await assertRejects(
        () => Deno.connect({ hostname, port: 80 }),
        Deno.errors.ConnectionRefused,
      );
    }
    await here("ip", "link", "set", guest.namespace.name, "down"); // who would tell the catcher
    const again = start();
    for (const address of addresses) {
      assertMatch(await neighbour(here, address), RegExp(guest.mac));
    }
    again.ended();
    await here("ip", "link", "set", other.namespace.name, "down");
    await until(
      "the bridge has no link",
      async () =>
        (await here("ip", "link", "show", BRIDGE)).includes("NO-CARRIER"),
    );
    const client = { on: here, asker: here };
    for (const family of ["ipv4", "ipv6"] as const) {
      const tries = await connectWhileItBoots(
        lab,
        client,
        (each) => each[family],
        catcher,
        `late-${family}`,
      );
      assertGreater(tries, 0, "there was a link");
      await here("ip", "link", "set", `late-${family}`, "down");
    }
    await catcher.close();
  },

  async joins() {
    await using lab = await Lab.start();
    const catcher = await newCatcher();
    const guest = await addUnborn(lab, "guest"); // the only port there will be
    const before = await bridgeMac();
    await visitAtBirth(catcher, guest);
    assertNotEquals(await bridgeMac(), before, "the bridge is fixed");
    // Another port joins while it boots, with which the bridge has another MAC address.
    const caught = catcher.start(machine(guest));
    await caught.heard;
    await knowsBridge(guest);
    const other = await addUnborn(lab, "other");
    const lowest = "02:00:00:00:00:01";
    await here("ip", "link", "set", "other", "address", lowest);
    await join(other);
    assertEquals(await bridgeMac(), lowest);
    await knowsBridge(guest);
    caught.ready();
    await catcher.close();
    assertEquals(log.filter((line) => line.startsWith("WARN")), []);
  },

  async fixed() {
    await using lab = await Lab.start();
    const mac = "02:00:00:00:00:99";
    await here("ip", "link", "set", BRIDGE, "address", mac);
    const catcher = await newCatcher();
    await visitAtBirth(catcher, await addUnborn(lab, "guest"));
    assertEquals(await bridgeMac(), mac);
    await catcher.close();
  },

  async anew() {
    await using lab = await Lab.start();
    const catcher = await newCatcher();
    for (const [name, when] of [["guest", "gone already"], ["next", "goes"]]) {
      const guest = await addUnborn(lab, name);
      if (when === "gone already") await here("ip", "link", "delete", BRIDGE);
      const caught = catcher.start(machine(guest));
      if (when === "goes") await here("ip", "link", "delete", BRIDGE);
      await until("its going is told", () => log.length > 0);
      assertMatch(
        log.splice(0).join(),
        /^WARN(ING)? br0: nothing is caught there until that is mended: if_nametoindex: No such device$/,
      );
      await addBridge();
      const visits = [guest.ipv4, guest.ipv6].map((each) =>
        here(...CONNECT, each, PORT)
      );
      await join(guest);
      await caught.heard;
      await knowsBridge(guest);
      caught.ready();
      await Promise.all(visits);
      assertEquals(await portOf(guest.mac), name);
      log.length = 0;
    }
    await catcher.close();
  },

  async heard() {
    await using lab = await Lab.start();
    await lab.addRemote("remote"); // for the network 10.98.0.0/24
    const catcher = await newCatcher();
    const start = (...addresses: string[]) =>
      catcher.start({
        name: "www",
        addresses: addresses.map(octetsOf),
        mac: macOf("52:54:00:00:99:77"),
        otherMacs: [],
      });
    const onBridge = start("10.99.0.77", "fd98::77");
    assert(onBridge.heard !== undefined);
    assertEquals(start("10.98.0.77", "fd99::77").heard, undefined);
    assertEquals(start("10.99.0.77").heard, undefined, "boots already");
    const somewhere = start("10.97.0.77");
    assert(somewhere.heard !== undefined);
    await catcher.close();
    await Promise.all([onBridge.heard, somewhere.heard]); // so that nobody waits for ever
  },
};

await SCENARIOS[Deno.args[0]]();
