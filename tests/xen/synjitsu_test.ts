import { assert, assertEquals, assertMatch } from "@std/assert";
import { loadLibXenstore } from "../../src/xen/libxenstore.ts";
import { loadLibXenvchan } from "../../src/xen/libxenvchan.ts";
import { Synjitsu, synjitsuMessage } from "../../src/xen/synjitsu.ts";
import { collectLog } from "../collect_log.ts";
import { runJitsu } from "../e2e/harness.ts";
import { openFiles } from "../open_files.ts";
import { until } from "../until.ts";
import { domains, isDom0, test, xenstoreRead } from "./dom0.ts";
import {
  LIBVIRT,
  LIBXL,
  linuxGuest,
  tinyGuest,
  type Toolstack,
} from "./guests.ts";
import { answered, domidOf, testOn, WAITS_FOR_KEY } from "./program.ts";
import { SynjitsuGuest } from "./synjitsu_guest.ts";

// Not by the first test that needs them: what a test loads, it has to unload.
if (isDom0) {
  loadLibXenstore();
  loadLibXenvchan();
}

const MAC = "00:16:3e:aa:00:01";
/** The address of number `i`, and what Synjitsu then has to say of it. */
const address = (i: number) => `10.78.${i >> 8}.${i & 255}`;
const hex = (i: number) => synjitsuMessage(MAC, address(i)).toHex();

Deno.test("what Synjitsu is told has six octets of MAC and four of IPv4, first octet first", () => {
  assertEquals(
    synjitsuMessage("00:16:3e:ff:0a:01", "10.0.200.1").toHex(),
    "00163eff0a010a00c801",
  );
});

/** A connection to the guest that plays Synjitsu, and what it logs. */
async function connection() {
  const log = collectLog("summon");
  const synjitsu = await Synjitsu.open(SynjitsuGuest.uuid);
  return {
    log,
    tell: (i: number) => synjitsu.tell("www", MAC, address(i)),
    logged: (text: string, from = 0) =>
      until(
        `${text} in the log`,
        () => log.slice(from).find((line) => line.includes(text)),
      ),
    [Symbol.asyncDispose]: () => synjitsu.close(),
  };
}

test("Synjitsu hears what it is told, once it is there, and after its server has died", async () => {
  const before = openFiles();
  {
    await using synjitsu = await connection();
    const { log, logged, tell } = synjitsu;
    const absent = `no domain has the UUID ${SynjitsuGuest.uuid}`;
    await logged(`WARN Synjitsu: ${absent}`);
    tell(0);
    assertEquals(
      log.at(-1),
      `WARN www: Synjitsu could not be told of it: ${absent}`,
    );

    await using guest = await SynjitsuGuest.start();
    await logged("INFO Synjitsu: connected to domain");
    for (let i = 1; i <= 300; i++) {
      tell(i);
      if (i % 50 > 0) continue; // 102 have room
      await until(
        `message ${i} at Synjitsu`,
        async () => (await guest.told()).length === i,
      );
    }
    assertEquals(
      await guest.told(),
      Array.from({ length: 300 }, (_, i) => hex(i + 1)),
    );

    const from = log.length;
    await guest.killServer();
    await logged("connected to domain", from);
    tell(301);
    await until(
      "a message to the new server",
      async () => (await guest.told()).at(-1) === hex(301),
    );
  }
  assertEquals(openFiles(), before);
});

test("a Synjitsu that is restarted under load is found again, and all that it is told from then on comes", async () => {
  await using synjitsu = await connection();
  const { log, logged, tell } = synjitsu;
  let last = 0;
  const load = setInterval(() => tell(++last), 50);
  try {
    {
      await using guest = await SynjitsuGuest.start();
      await until("the load", async () => (await guest.told()).length > 20);
    }
    const from = log.length;
    await using guest = await SynjitsuGuest.start();
    await logged("connected to domain", from);
    const until20 = last + 20;
    await until("the load", async () => {
      return last > until20 && (await guest.told()).length > 0;
    });
    clearInterval(load);
    tell(++last);
    await until(
      "the last message",
      async () => (await guest.told()).at(-1) === hex(last),
    );
    const told = await guest.told();
    const first = last - told.length + 1;
    assertEquals(told, told.map((_, i) => hex(first + i)));
    assert(log.some((line) => line.startsWith("WARN www: ")));
  } finally {
    clearInterval(load);
  }
  // What was shared with the dead one is let go, and so Xen has let go of it.
  await until(
    "the end of all guests",
    async () => (await domains()).size === 1,
  );
});

test("a Synjitsu that does not read costs a warning for each message that has no room, and no time", async () => {
  await using _guest = await SynjitsuGuest.start(true);
  await using synjitsu = await connection();
  const { log, logged, tell } = synjitsu;
  await logged("connected to domain");
  const from = log.length;
  for (let i = 1; i <= 150; i++) tell(i);
  const [room, none] = ["told Synjitsu of", "there is no more room"].map((
    text,
  ) => log.slice(from).filter((line) => line.includes(text)).length);
  assertEquals([room, none], [102, 48]); // of 1024 bytes
});

/** Each toolstack, the keys for a second network interface, and which one Synjitsu is to be told of then. */
const TOLD_OF: [Toolstack, string[], number][] = [
  [LIBXL, ["nic=br1", "synjitsu_nic=1"], 1],
  [LIBVIRT, [], 0],
];

for (const [toolstack, keys, nic] of TOLD_OF) {
  const www = linuxGuest(1), other = tinyGuest(1);
  testOn(
    toolstack,
    `${toolstack.options}: Synjitsu is told of each boot of those that use it, before they are ready, and the doctor sees it`,
    [www, other],
    async (host) => {
      await using synjitsu = await SynjitsuGuest.start();
      await synjitsu.serves();
      const args = [
        `--synjitsu=${SynjitsuGuest.uuid.toUpperCase()}`,
        host.config(
          www,
          ...["ip=2001:db8::1", "use_synjitsu=1"],
          ...keys,
          ...WAITS_FOR_KEY,
        ),
        host.config(other),
      ];
      await using jitsu = await host.start(...args);
      await jitsu.logged(/Synjitsu: connected to domain \d+/);
      await answered(jitsu, other);
      let isAnswered = false;
      const answer = answered(jitsu, www).finally(() => isAnswered = true);
      await until(
        "the message",
        async () => (await synjitsu.told()).length > 0,
      );
      assertEquals(isAnswered, false);
      await answer;
      const domid = await domidOf(www);
      const mac = await xenstoreRead(
        `/local/domain/${domid}/device/vif/${nic}/mac`,
      );
      assertEquals(await synjitsu.told(), [
        synjitsuMessage(mac!, www.ip).toHex(),
      ]);
      const { stdout } = await runJitsu(
        ...["doctor", "--listen=0", "--forwarder=0.0.0.0", toolstack.options],
        ...args,
      );
      assertMatch(
        stdout,
        /^ok .* Synjitsu is domain \d+ and takes connections$/m,
      );
    },
  );
}

testOn(
  LIBXL,
  "without its Synjitsu, a unikernel starts and is answered for as ever",
  [tinyGuest(1)],
  async (host) => {
    const guest = tinyGuest(1);
    await using jitsu = await host.start(
      `--synjitsu=${SynjitsuGuest.uuid}`,
      host.config(guest, "nic=br0", "script=fast", "use_synjitsu=1"),
    );
    await answered(jitsu, guest);
    await jitsu.logged(
      /WARN +summon: tiny1: Synjitsu could not be told of it: no domain has/,
    );
  },
);
