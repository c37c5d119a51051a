/**
 * The installed service under a real OpenRC: that it starts, serves, is replaced when it dies, and stops.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { until } from "../../until.ts";
import { Host, obstacle, PROGRAM } from "./host.ts";

const CONFIG = `
backend = "process"
forwarder = ["0.0.0.0"]
[[unikernel]]
dns = "www.example"
ip = "127.0.0.1"
name = "www"
command = "sleep infinity"
`;

/**
 * OpenRC of Debian's packages, unpacked only, since installed it would be in the way of another init; what their
 * scripts would do; and a service that stands for the network of a host.
 */
const MAKE_ARCHIVE = `
cd "$1"
apt-get update -qq -o DPkg::Lock::Timeout=300
apt-get download -qq openrc libeinfo1 librc1
for package in *.deb; do dpkg --extract $package root; done
mkdir -p root/etc/runlevels/sysinit root/etc/runlevels/boot root/etc/runlevels/default
: >root/etc/insserv.conf
cat >root/etc/init.d/test-net <<'END'
#!/sbin/openrc-run
depend() { provide net; }
start() { :; }
END
chmod 755 root/etc/init.d/test-net
tar --create --file archive.tar --directory root .
`;

async function sh(script: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("sh", {
    args: ["-ec", script, "sh", ...args],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

const hasApt = await Deno.stat("/usr/bin/apt-get").then(
  () => true,
  () => {
    // deno-lint-ignore no-console -- says why a test is skipped
    console.log("skipped: the service under OpenRC: it comes with apt-get");
    return false;
  },
);

Deno.test({
  name:
    "under OpenRC the service is started, reloaded, replaced when it dies, and stopped",
  ignore: obstacle !== undefined || !hasApt,
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      await sh(MAKE_ARCHIVE, folder);
      await using host = await Host.boot(
        ["/sbin/openrc-init"],
        `${folder}/archive.tar`,
      );
      await host.must(PROGRAM, "install", "--backend=process");
      await host.write("/etc/jitsu/jitsu.toml", CONFIG);
      await host.must("rc-update", "add", "jitsu");
      const service = (command: string) =>
        host.must("rc-service", "jitsu", command);
      const answers = (name: string) =>
        until(
          `an answer for ${name}`,
          async () => await host.ask(name) === "127.0.0.1",
        );
      const pid = async () => (await host.must("pidof", "jitsu")).trim();

      await service("start");
      await answers("www.example");
      assertStringIncludes(await service("status"), "status: started");
      const first = await pid();

      await host.write(
        "/etc/jitsu/jitsu.toml",
        CONFIG.replace("www.example", "new.example"),
      );
      await service("reload");
      await answers("new.example");
      assertEquals(await pid(), first);

      await host.must("kill", "-KILL", first);
      await answers("new.example");

      await service("stop");
      const left = await host.run(
        "pidof",
        "jitsu",
        "supervise-daemon",
        "sleep",
      );
      assertEquals(left.text, "");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
