/**
 * The service's files, by the tools that read them.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { SERVICE_BACKENDS } from "../../src/service/choices.ts";
import { openrcScript } from "../../src/service/openrc.ts";
import { FOR_CATCH, systemdUnit } from "../../src/service/systemd.ts";

const PATHS = {
  binary: "/bin/true",
  config: "/etc/jitsu/jitsu.toml",
  password: "/etc/jitsu/xapi-password",
};

const hasSystemd = await output("systemd-analyze", "--version").then(
  () => true,
  () => {
    // deno-lint-ignore no-console -- says why tests are skipped
    console.log("systemd-analyze is not installed: tests of the unit are out");
    return false;
  },
);

async function output(program: string, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(program, { args })
    .output();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** Runs a program on a file of that name and text. */
async function onFile(
  name: string,
  text: string,
  program: string,
  ...args: string[]
) {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/${name}`, text);
    return await output(program, ...args, `${folder}/${name}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What systemd calls what --catch takes, in its analysis of a unit. */
const CATCH_CHECKS = [
  "CapabilityBoundingSet=~CAP_NET_ADMIN",
  "RestrictAddressFamilies=~AF_PACKET",
];

/** systemd's measure of what a service could still do: 0 is nothing, 10 is everything (systemd-analyze(1)). */
const EXPOSURE = { libvirt: 2.5, xapi: 2.5, libxl: 8.5, process: 8.5 };

for (const backend of SERVICE_BACKENDS) {
  const unit = systemdUnit(backend, PATHS);
  Deno.test({
    name: `systemd has nothing to say about the unit for ${backend}`,
    ignore: !hasSystemd,
    fn: async () => {
      assertEquals(
        await onFile(
          "jitsu.service",
          unit,
          "systemd-analyze",
          "verify",
          "--man=no",
        ),
        { code: 0, text: "" },
      );
    },
  });

  Deno.test({
    name: `the unit for ${backend} exposes no more than ${EXPOSURE[backend]}`,
    ignore: !hasSystemd,
    fn: async () => {
      const { code, text } = await onFile(
        "jitsu.service",
        unit,
        "systemd-analyze",
        "security",
        "--no-pager",
        "--offline=true",
        `--threshold=${10 * EXPOSURE[backend]}`,
      );
      assertEquals(code, 0, text);
      assertStringIncludes(text, "Overall exposure level");
    },
  });

  Deno.test({
    name: `systemd takes what --catch needs beside the unit for ${backend}`,
    ignore: !hasSystemd,
    fn: async () => {
      const [, ...lines] = FOR_CATCH.split("\n");
      const both = unit.replace("[Install]", `${lines.join("\n")}\n[Install]`);
      const { text } = await onFile(
        "jitsu.service",
        both,
        "systemd-analyze",
        "security",
        "--no-pager",
        "--offline=true",
        "--json=short",
      );
      const allowed = (JSON.parse(text) as { name: string; set: boolean }[])
        .filter(({ name, set }) => CATCH_CHECKS.includes(name) && !set)
        .map(({ name }) => name);
      assertEquals(allowed.sort(), CATCH_CHECKS);
    },
  });

  Deno.test(`the OpenRC script for ${backend} is a shell's`, async () => {
    const script = openrcScript(backend, PATHS);
    assertEquals(await onFile("jitsu", script, "sh", "-n"), {
      code: 0,
      text: "",
    });
    assertStringIncludes(
      script,
      "--config=/etc/jitsu/jitsu.toml",
    );
  });
}

Deno.test("backends that ask another program to do the work have no root and no devices", () => {
  for (const backend of SERVICE_BACKENDS) {
    const unit = systemdUnit(backend, PATHS);
    const isConfined = backend === "libvirt" || backend === "xapi";
    assertEquals(/^DynamicUser=yes$/m.test(unit), isConfined, backend);
    assertEquals(/^PrivateDevices=yes$/m.test(unit), isConfined, backend);
  }
});

Deno.test("systemd leaves alone what is to outlive a restart of Jitsu", () => {
  for (const backend of ["process", "libxl"] as const) {
    assert(/^KillMode=process$/m.test(systemdUnit(backend, PATHS)), backend);
  }
});
