/**
 * Names that are not ours, with the whole program between the real dig and real name servers.
 *
 * @module
 */
import { assert, assertEquals, assertLess } from "@std/assert";
import { until } from "../until.ts";
import {
  canDig,
  dig,
  type DigOptions,
  type DigResult,
  freePort,
  Jitsu,
} from "./harness.ts";
import { haveNameServers, startDnsmasq, startUnbound } from "./name_servers.ts";

/** A unikernel that nobody asks for: there must be one. */
const CONFIG = "dns=www.test,ip=127.0.0.2,name=www,command=sleep infinity";

function test(name: string, fn: () => Promise<void>, ignore = false): void {
  Deno.test({ name, ignore: !canDig || !haveNameServers || ignore, fn });
}

function start(...args: string[]): Promise<Jitsu> {
  return Jitsu.start("--backend=process", ...args, CONFIG);
}

/** A zone with a record of many a type. */
const ZONE = "zone.example.";
const RECORDS = [
  "zone.example. 300 IN SOA ns.zone.example. admin.zone.example. 1 3600 600 86400 60",
  "zone.example. 300 IN NS ns.zone.example.",
  "zone.example. 300 IN MX 10 mail.zone.example.",
  'zone.example. 300 IN CAA 0 issue "ca.example"',
  "a.zone.example. 300 IN A 192.0.2.1",
  "a.zone.example. 300 IN A 192.0.2.2",
  "a.zone.example. 300 IN AAAA 2001:db8::1",
  "short.zone.example. 1 IN A 192.0.2.3",
  "alias.zone.example. 300 IN CNAME a.zone.example.",
  "_http._tcp.zone.example. 300 IN SRV 1 2 80 A.zone.example.",
  "svc.zone.example. 300 IN HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1",
  'naptr.zone.example. 300 IN NAPTR 1 2 "s" "x" "" b.zone.example.',
  "ds.zone.example. 300 IN DS 1 8 2 " + "ab".repeat(32),
  "unknown.zone.example. 300 IN TYPE65280 \\# 4 c00c0102",
  ...Array.from(
    { length: 60 },
    (_, i) => `big.zone.example. 300 IN TXT "${i} ${"x".repeat(100)}"`,
  ),
];

const startZone = () => startUnbound(ZONE, RECORDS);

const data = ({ answers }: DigResult) => answers.map(({ data }) => data).sort();

/** What must be the same whoever is asked; the order of records is none of it. */
function content({ status, answers, authority }: DigResult) {
  const records = (section: DigResult["answers"]) =>
    section.map(({ name, type, data }) => `${name} ${type} ${data}`).sort();
  return [status, records(answers), records(authority)];
}

test("what a server says comes through as it is, for types known and unknown, the first time and from the cache (RFC 3597 section 3)", async () => {
  await using zone = await startZone();
  await using jitsu = await start("-f", zone.name);
  const questions = [
    ["zone.example", "SOA"],
    ["zone.example", "NS"],
    ["zone.example", "MX"],
    ["zone.example", "CAA"],
    ["ZONE.example", "A"], // no such data
    ["none.zone.EXAMPLE", "A"], // no such name
    ["A.zone.example", "A"],
    ["a.Zone.example", "AAAA"],
    ["alias.zone.example", "CNAME"],
    ["_http._tcp.zone.example", "SRV"],
    ["svc.zone.example", "HTTPS"],
    ["naptr.zone.example", "NAPTR"],
    ["ds.zone.example", "DS"],
    ["unknown.zone.example", "TYPE65280"],
  ];
  for (const [name, type] of questions) {
    const direct = await dig(zone, name, { type });
    for (const edns of ["+edns", "+noedns", "+dnssec"]) {
      for (const _ of ["asked", "cached"]) {
        const response = await jitsu.dig(name, { type, args: [edns] });
        assertEquals(content(response), content(direct), response.text);
        assert(response.flags.includes("ra"), response.text);
        assert(!response.flags.includes("aa"), response.text);
      }
    }
  }
});

test("an answer too large for UDP is fetched over TCP, and so it is given (RFC 7766 section 5)", async () => {
  await using zone = await startZone();
  await using jitsu = await start("-f", zone.name);
  const type = "TXT";
  const cut = await jitsu.dig("big.zone.example", { type, args: ["+ignore"] });
  assertEquals([cut.flags.includes("tc"), cut.answers], [true, []]);
  const whole = await jitsu.dig("big.zone.example", { type });
  assertEquals(whole.answers.length, 60, whole.text);
  const direct = await dig(zone, "big.zone.example", { type });
  assertEquals(data(whole), data(direct));
});

test("an answer is kept while its TTL lasts, and no failure of upstream's is noticed (RFC 1034 section 5.3.3)", async () => {
  await using zone = await startZone();
  await using jitsu = await start("-f", zone.name);
  assertEquals((await jitsu.dig("a.zone.example")).answers[0].ttl, 300);
  await zone.stop();
  const aged = await until("the TTL ages", async () => {
    const response = await jitsu.dig("A.zone.example");
    return response.answers[0].ttl < 300 && response;
  });
  assertEquals(data(aged), ["192.0.2.1", "192.0.2.2"]);
  assertEquals(aged.answers[0].name, "A.zone.example.");
});

test("with --cache-size=0 nothing is kept", async () => {
  await using zone = await startZone();
  await using jitsu = await start("-f", zone.name, "--cache-size=0");
  assertEquals((await jitsu.dig("a.zone.example")).status, "NOERROR");
  await zone.stop();
  assertEquals((await jitsu.dig("a.zone.example")).status, "SERVFAIL");
});

test("a dead server gives SERVFAIL within 5 s that says so, and at once to the next who asks (RFC 8914, RFC 9520)", async () => {
  const port = freePort();
  await using jitsu = await start("-f", "127.0.0.1", "-p", String(port));
  const first = await jitsu.dig("a.zone.example", { timeout: 5 });
  const unreachable = { code: 22, text: `127.0.0.1#${port} does not reply` };
  assertEquals([first.status, first.ede], ["SERVFAIL", [unreachable]]);
  const second = await jitsu.dig("A.Zone.example");
  assertEquals([second.status, second.ede], [
    "SERVFAIL",
    [unreachable, { code: 13, text: "" }],
  ]);
  await jitsu.logged(/no upstream server replies: 127\.0\.0\.1#/);
});

test("a domain whose server is dead costs the others nothing", async () => {
  await using zone = await startZone();
  await using jitsu = await start(
    ...["-f", zone.name],
    ...["--forward", `dead.example=127.0.0.1#${freePort()}`],
  );
  const dead = Array.from(
    { length: 20 },
    (_, i) => jitsu.dig(`host${i}.dead.example`),
  );
  const alive = await jitsu.dig("a.zone.example");
  assertEquals(alive.status, "NOERROR", alive.text);
  for (const response of await Promise.all(dead)) {
    assertEquals(response.status, "SERVFAIL", response.text);
    assertLess(alive.ended, response.ended);
  }
});

test("where the first server is dead the second is asked", async () => {
  await using zone = await startZone();
  await using jitsu = await start(
    ...["-f", `127.0.0.1#${freePort()}`, "-f", zone.name],
    "--cache-size=0",
  );
  for (let i = 0; i < 5; i++) {
    const { status, text } = await jitsu.dig("a.zone.example");
    assertEquals(status, "NOERROR", text);
  }
});

test("--serve-stale gives out what has expired while upstream is dead, and says so (RFC 8767 section 5)", async () => {
  await using zone = await startZone();
  await using jitsu = await start("-f", zone.name, "--serve-stale");
  assertEquals((await jitsu.dig("short.zone.example")).answers[0].ttl, 1);
  await zone.stop();
  const stale = await until("it has expired", async () => {
    const response = await jitsu.dig("short.zone.example");
    return response.ede.length > 0 && response;
  });
  assertEquals(stale.status, "NOERROR", stale.text);
  assertEquals(stale.answers, [{
    name: "short.zone.example.",
    ttl: 30,
    type: "A",
    data: "192.0.2.3",
  }]);
  assertEquals(stale.ede, [{ code: 3, text: "" }]);
});

test("a domain has servers of its own, and a special name in it is no special one", async () => {
  await using zone = await startZone();
  await using office = await startDnsmasq({
    "corp.example": "10.0.0.1",
    "1.0.0.10.in-addr.arpa": "10.0.0.9",
  });
  await using lab = await startDnsmasq({ "lab.corp.example": "10.0.0.2" });
  await using jitsu = await start(
    ...["-f", zone.name, "--forward", `corp.example=${office.name}`],
    ...["--forward", `lab.corp.example=${lab.name}`],
    ...["--forward", `10.in-addr.arpa=${office.name}`],
    ...["--forward", "home.example="],
  );
  const addresses = async (name: string) => data(await jitsu.dig(name));
  assertEquals(await addresses("www.Corp.example"), ["10.0.0.1"]);
  assertEquals(await addresses("www.lab.corp.example"), ["10.0.0.2"]);
  assertEquals(await addresses("a.zone.example"), ["192.0.2.1", "192.0.2.2"]);
  assertEquals(await addresses("1.0.0.10.in-addr.arpa"), ["10.0.0.9"]);
  const special = await jitsu.dig("1.0.168.192.in-addr.arpa");
  assertEquals(special.status, "NXDOMAIN", special.text);

  const closed = await jitsu.dig("nas.home.example");
  assertEquals(closed.status, "NXDOMAIN", closed.text);
  assertEquals(
    closed.authority.map(({ name, type }) => [name, type]),
    [["home.example.", "SOA"]],
  );
});

test("-f 0.0.0.0 turns forwarding off but for the domains that have servers", async () => {
  await using office = await startDnsmasq({ "corp.example": "10.0.0.1" });
  await using jitsu = await start(
    ...["-f", "0.0.0.0", "--forward", `corp.example=${office.name}`],
  );
  assertEquals(data(await jitsu.dig("www.corp.example")), ["10.0.0.1"]);
  const other = await jitsu.dig("a.zone.example");
  assertEquals([other.status, other.ede[0].code], ["REFUSED", 18], other.text);
});

test("many clients that ask the same at the same time are all answered", async () => {
  await using zone = await startZone();
  await using jitsu = await start("-f", zone.name);
  const options: DigOptions = { type: "TXT" };
  const responses = await Promise.all(
    Array.from({ length: 20 }, () => jitsu.dig("big.zone.example", options)),
  );
  for (const { answers, text } of responses) {
    assertEquals(answers.length, 60, text);
  }
});

/** Starts it in a mount namespace of its own, where /etc/resolv.conf is `file`. */
function startWithResolvConf(file: string, ...args: string[]): Promise<Jitsu> {
  const mount = `mount --bind "$0" /etc/resolv.conf && exec "$@"`;
  return Jitsu.startIn(
    ["unshare", "--mount", "sh", "-c", mount, file],
    ...["--backend=process", ...args, CONFIG],
  );
}

const isRoot = Deno.uid() === 0;
if (!isRoot) {
  // deno-lint-ignore no-console -- says why tests do not run
  console.log("skipped: tests with a resolv.conf of their own need root");
}

test(
  "the nameservers are those of resolv.conf, also after it has changed, and never this server itself",
  async () => {
    const port = 53; // a resolv.conf knows no other
    await using first = await startDnsmasq({ "a.example": "10.0.0.1" }, {
      address: "127.0.53.1",
      port,
    });
    await using second = await startDnsmasq({ "a.example": "10.0.0.2" }, {
      address: "127.0.53.2",
      port,
    });
    const file = await Deno.makeTempFile();
    try {
      await Deno.writeTextFile(file, `nameserver ${first.address}\n`);
      await using jitsu = await startWithResolvConf(
        file,
        ...["--bind=127.0.53.3", `--listen=${port}`],
      );
      assertEquals(data(await jitsu.dig("a.example")), ["10.0.0.1"]);
      await Deno.writeTextFile(
        file,
        `nameserver ${jitsu.address}\nnameserver ${second.address}\n`,
      );
      await until("the new nameserver's answer", async () => {
        const [address] = data(await jitsu.dig("a.example"));
        return address === "10.0.0.2";
      });
      await jitsu.logged(/127\.0\.53\.3#53 is this server itself/);
      await Deno.writeTextFile(file, `nameserver ${jitsu.address}\n`);
      const response = await until("there is nobody to ask", async () => {
        const response = await jitsu.dig("b.example");
        return response.status === "SERVFAIL" && response;
      });
      assertEquals(response.ede[0].text, "there is no upstream server to ask");
    } finally {
      await Deno.remove(file);
    }
  },
  !isRoot,
);

test("names do not lead into the house where that is refused, but for those that may (RFC 8914 section 4.16)", async () => {
  await using upstream = await startDnsmasq({
    "evil.example": "192.168.3.4",
    "nas.example": "192.168.3.5",
    "public.example": "192.0.2.6",
  });
  await using jitsu = await start(
    ...["-f", upstream.name],
    "--private-answers=refuse",
    "--rebind-ok=nas.example",
  );
  const evil = await jitsu.dig("www.evil.example");
  assertEquals([evil.status, data(evil)], ["NOERROR", []]);
  assertEquals(evil.ede.map(({ code }) => code), [15]);
  assertEquals(data(await jitsu.dig("nas.example")), ["192.168.3.5"]);
  assertEquals(data(await jitsu.dig("public.example")), ["192.0.2.6"]);
  // By default a server of the house may: this one is on this host.
  await using lenient = await start("-f", upstream.name);
  assertEquals(data(await lenient.dig("evil.example")), ["192.168.3.4"]);
});

test("a server on another address of loopback is asked, also where all of the host's addresses are served", async () => {
  const port = freePort();
  await using upstream = await startDnsmasq(
    { "zone.example": "192.0.2.8" },
    { address: "127.0.0.99", port },
  );
  await using jitsu = await start(
    ...["--bind=0.0.0.0", `--listen=${port}`, "-f", upstream.name],
  );
  const here = { address: "127.0.0.1", port: jitsu.port };
  assertEquals(data(await dig(here, "zone.example")), ["192.0.2.8"]);
});
