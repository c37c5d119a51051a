/**
 * What the doctor says of guests that could not be started, in dom0.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { freePort, runJitsu } from "../e2e/harness.ts";
import { domains, isDom0, TINY, tinyConfig, xlCreate } from "./dom0.ts";
import { run } from "../run.ts";

Deno.test(
  "the doctor says what would keep guests from starting, and starts none",
  {
    ignore: !isDom0,
  },
  async () => {
    const config = (name: string, ip: string, ...keys: string[]) =>
      `dns=${name}.test,ip=${ip},name=${name},${keys.join()}`;
    await xlCreate(tinyConfig("driver") + "driver_domain=1\n");
    try {
      const { code, stdout } = await runJitsu(
        ...["doctor", "-x", "libxl", "-l", `${freePort()}`, "-f", "0.0.0.0"],
        config(
          "wrong",
          "10.77.0.40",
          "kernel=/etc/passwd",
          "memory=64GiB",
          "nic=br7",
        ),
        config("driver", "10.77.0.41", `kernel=${TINY}`, "memory=4MiB"),
        config(
          "right",
          "10.77.0.42",
          `kernel=${TINY}`,
          "memory=4MiB",
          "nic=br0",
        ),
      );
      const about = (name: string) =>
        stdout.split("\n").filter((line) => line.includes(`${name}: `)).join(
          "\n",
        );
      assertEquals(code, 2, stdout);
      assertMatch(
        about("wrong"),
        /memory=67108864: this host has \d+ KiB in all/,
      );
      assertMatch(about("wrong"), /kernel=\/etc\/passwd: it is no kernel/);
      assertMatch(about("wrong"), /nic=br7: there is no such bridge/);
      assertMatch(
        about("wrong"),
        /10\.77\.0\.40 is in the network of br0, where none of its network interfaces is \(nic=br7\)/,
      );
      assertMatch(about("driver"), /is a driver domain, a part of this host/);
      assertEquals(about("right").split("\n").length, 2, stdout);
      assertMatch(about("right"), /has it, and it is off/);
      assertMatch(about("right"), /is in the network of br0$/);
      assertEquals([...(await domains()).keys()].sort(), [
        "Domain-0",
        "driver",
      ]);
    } finally {
      await run(["xl", "destroy", "driver"]);
    }
  },
);
