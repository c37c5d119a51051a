/**
 * The installed service under a real systemd: that it starts, serves and stops, confined as its unit says.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { PASSWORD } from "../../backends/xapi/fake/server.ts";
import { FOR_CATCH } from "../../../src/service/systemd.ts";
import { until } from "../../until.ts";
import { Host, obstacle, PROGRAM } from "./host.ts";

const CONFIG = "/etc/jitsu/jitsu.toml";
const FAKE_POOL =
  new URL("../../backends/xapi/fake/main.ts", import.meta.url).pathname;

/** How libvirt's own test driver is used, which needs no libvirtd. */
const LIBVIRT = `
connect = "test:///default"
forwarder = ["0.0.0.0"]
persistdb = "/var/lib/jitsu/jitsu.db"
[[unikernel]]
dns = "www.example"
ip = "192.0.2.1"
name = "test"
`;
const PROCESS = `
backend = "process"
forwarder = ["0.0.0.0"]
[[unikernel]]
dns = "www.example"
ip = "127.0.0.1"
name = "www"
command = "sleep infinity"
`;

/** Runs a test on a host on which the service for a backend has been installed, with that configuration. */
function test(
  name: string,
  { backend, config }: { backend: string; config: string },
  run: (host: Host) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: obstacle !== undefined,
    async fn() {
      // Nothing is started there that this machine serves.
      const init = ["/lib/systemd/systemd", "--unit=basic.target"];
      await using host = await Host.boot(init);
      await until("the host to be up", async () => {
        const { text } = await host.run("systemctl", "is-system-running");
        return text === "running\n";
      });
      await host.must("groupadd", "--force", "--system", "libvirt"); // as the package libvirt-daemon-system does
      await host.must(PROGRAM, "install", `--backend=${backend}`);
      await host.write(CONFIG, config);
      await host.must("systemctl", "daemon-reload");
      try {
        await run(host);
      } catch (error) {
        // deno-lint-ignore no-console -- what it was that failed goes with the host
        console.error(await journal(host));
        throw error;
      }
    },
  });
}

/** A property of the service, see systemctl(1). */
async function property(host: Host, name: string): Promise<string> {
  const args = ["show", "--value", `--property=${name}`, "jitsu"];
  return (await host.must("systemctl", ...args)).trim();
}

/** What the service has written to the journal. */
const journal = (host: Host) =>
  host.must("journalctl", "--unit=jitsu", "--output=cat");

test(
  "under systemd, a user without privileges serves port 53, and says so when that is so",
  {
    backend: "libvirt",
    config: LIBVIRT,
  },
  async (host) => {
    await host.must("systemctl", "enable", "--now", "jitsu");
    assertEquals(
      await property(host, "StatusText"),
      "serving DNS on 127.0.0.1#53",
    );
    assertEquals(await host.ask("www.example"), "192.0.2.1");
    const pid = await property(host, "MainPID");
    const status = await host.must("cat", `/proc/${pid}/status`);
    const [, uid] = /^Uid:\t(\d+)/m.exec(status)!;
    assert(Number(uid) > 0);
    assertMatch(status, /^CapEff:\t0000000000000400$/m); // CAP_NET_BIND_SERVICE
    assertMatch(status, /^NoNewPrivs:\t1$/m);
    assertMatch(status, /^Seccomp:\t2$/m); // a filter
    assertMatch(await host.must("jitsu", "status"), /^test +ready /m);
  },
);

test(
  "under systemd, what it has counted outlives its restart, and it stops when it is asked to",
  {
    backend: "libvirt",
    config: LIBVIRT,
  },
  async (host) => {
    await host.must("systemctl", "start", "jitsu");
    assertEquals(await host.ask("www.example"), "192.0.2.1");
    await host.must("systemctl", "restart", "jitsu");
    assertEquals(await host.ask("www.example"), "192.0.2.1");
    assertStringIncludes(
      await host.must("jitsu", "status"),
      "www.example: asked for 2 times",
    );
    await host.must("systemctl", "stop", "jitsu");
    assertEquals(await property(host, "Result"), "success");
    assertEquals(await property(host, "ExecMainStatus"), "0");
  },
);

test(
  "under systemd, a reload applies the changed configuration without a restart",
  {
    backend: "process",
    config: PROCESS,
  },
  async (host) => {
    await host.must("systemctl", "start", "jitsu");
    const pid = await property(host, "MainPID");
    await host.write(CONFIG, PROCESS.replace("www.example", "new.example"));
    await host.must("systemctl", "reload", "jitsu");
    await until(
      "the new name",
      async () => await host.ask("new.example") === "127.0.0.1",
    );
    await host.write(CONFIG, "nonsense");
    await host.must("systemctl", "reload", "jitsu");
    await until(
      "the complaint",
      async () => (await journal(host)).includes(`${CONFIG}:1`),
    );
    assertEquals(await host.ask("new.example"), "127.0.0.1");
    assertEquals(await property(host, "MainPID"), pid);
  },
);

test("under systemd, a daemon that is killed or hangs is replaced", {
  backend: "process",
  config: PROCESS,
}, async (host) => {
  await host.write(
    "/etc/systemd/system/jitsu.service.d/impatient.conf",
    "[Service]\nWatchdogSec=3\n",
  );
  await host.must("systemctl", "daemon-reload");
  await host.must("systemctl", "start", "jitsu");
  for (const signal of ["KILL", "STOP"]) {
    const pid = await property(host, "MainPID");
    await host.must("kill", `-${signal}`, pid);
    await until(
      `another daemon after SIG${signal}`,
      async () =>
        await property(host, "MainPID") !== pid &&
        await property(host, "ActiveState") === "active",
      60_000,
    );
    assertEquals(await host.ask("www.example"), "127.0.0.1");
    assertNotEquals(await property(host, "MainPID"), pid);
  }
  assertEquals(await property(host, "NRestarts"), "2");
});

test(
  "under systemd, a mistake in the configuration is told once, not for ever",
  {
    backend: "process",
    config: PROCESS.replace("command", "comand"),
  },
  async (host) => {
    const { code, text } = await host.run("systemctl", "start", "jitsu");
    assertEquals(code, 1, text);
    assertEquals(await property(host, "ActiveState"), "failed");
    assertStringIncludes(await journal(host), "comand");
    assertEquals(await property(host, "NRestarts"), "0");
  },
);

test(
  "under systemd, --catch takes the drop-in that the unit shows, and says so without it",
  {
    backend: "libvirt",
    config: `catch = "br0"\n${LIBVIRT}`,
  },
  async (host) => {
    await host.must("ip", "link", "add", "br0", "up", "type", "bridge");
    assertEquals((await host.run("systemctl", "start", "jitsu")).code, 1);
    assertStringIncludes(await journal(host), "CAP_NET_RAW");
    await host.must("systemctl", "stop", "jitsu");
    await host.write(
      "/etc/systemd/system/jitsu.service.d/catch.conf",
      FOR_CATCH,
    );
    await host.must("systemctl", "daemon-reload");
    await host.must("systemctl", "start", "jitsu");
    assertEquals(await host.ask("www.example"), "192.0.2.1");
  },
);

test(
  "under systemd, a pool that is not there yet is tried again until it is, with a password that root alone can read",
  {
    backend: "xapi",
    config: `
backend = "xapi"
connect = "http://root@127.0.0.1:8080/"
forwarder = ["0.0.0.0"]
[[unikernel]]
dns = "www.example"
ip = "192.0.2.1"
name = "vm0"
`,
  },
  async (host) => {
    await host.write("/etc/jitsu/xapi-password", PASSWORD);
    await host.must("chmod", "600", "/etc/jitsu/xapi-password");
    await host.run("systemctl", "start", "jitsu");
    await until(
      "many tries",
      async () => Number(await property(host, "NRestarts")) > 6,
      60_000,
    );
    const args = ["run", "-A", FAKE_POOL, "1", "8080"];
    const pool = host.spawn(Deno.execPath(), ...args);
    await until(
      "the service",
      async () => await property(host, "ActiveState") === "active",
      60_000,
    );
    assertEquals(await host.ask("www.example"), "192.0.2.1");
    await host.must("systemctl", "stop", "jitsu");
    pool.kill();
    await pool.status;
  },
);
