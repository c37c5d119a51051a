import { assert, assertEquals } from "@std/assert";
import {
  parseResolvConf,
  ResolvConf,
} from "../../../src/dns/forward/resolv_conf.ts";
import { until } from "../../until.ts";

Deno.test("all nameserver lines of a resolv.conf count, each address once", () => {
  assertEquals(
    parseResolvConf(`# written by hand
domain example.org
search example.org
nameserver 192.0.2.1
 nameserver	2001:DB8::1 # the other one
nameserver 192.0.2.1
;nameserver 192.0.2.2
nameservers 192.0.2.3
options edns0
nameserver 192.0.2.4;x
nameserver 192.0.2.5`),
    {
      addresses: ["192.0.2.1", "2001:db8::1", "192.0.2.4", "192.0.2.5"],
      ignored: [],
    },
  );
});

Deno.test("a nameserver that is no plain address is told apart", () => {
  assertEquals(
    parseResolvConf("nameserver fe80::1%eth0\nnameserver ns.example.org\n")
      .ignored,
    [
      "fe80::1%eth0",
      "ns.example.org",
    ],
  );
});

Deno.test("a resolv.conf that cannot be read has no nameservers, and is no error", async () => {
  assertEquals(await new ResolvConf("/nonexistent/resolv.conf").servers(), []);
});

Deno.test("all who ask while a resolv.conf is read have its nameservers", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, "nameserver 192.0.2.1\n");
    const file = new ResolvConf(path);
    const both = await Promise.all([file.servers(), file.servers()]);
    assertEquals(both.map(({ length }) => length), [1, 1]);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("a resolv.conf that changes is read again", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, "nameserver 192.0.2.1\n");
    const file = new ResolvConf(path);
    const [first] = await file.servers();
    assertEquals(first.name, "192.0.2.1#53");
    await Deno.writeTextFile(
      path,
      "nameserver 192.0.2.2\nnameserver 192.0.2.1\n",
    );
    const servers = await until("two nameservers", async () => {
      const servers = await file.servers();
      return servers.length === 2 && servers;
    });
    assertEquals(servers[0].address, "192.0.2.2");
    assert(
      servers[1] === first,
      "what is known of a server that stays is kept",
    );
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("a resolv.conf that is written anew and says the same has the same nameservers", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, "nameserver 192.0.2.1\n");
    const file = new ResolvConf(path);
    const servers = await file.servers();
    await Deno.writeTextFile(path, "# by hand\nnameserver 192.0.2.1\n");
    await new Promise((resolve) => setTimeout(resolve, 1100));
    assert(await file.servers() === servers);
  } finally {
    await Deno.remove(path);
  }
});
