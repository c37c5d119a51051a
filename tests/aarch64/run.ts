/**
 * `deno task test:aarch64`: the program on the other machine that it is made for, under QEMU's user-mode emulation,
 * with Deno from npm and libvirt from Debian. Where these cannot be had it says so and that is all.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a script that talks to whoever runs it
import { run } from "../run.ts";

const REPOSITORY = new URL("../..", import.meta.url).pathname;
const FOLDER = `${REPOSITORY}dist/aarch64`;
const ROOT = `${FOLDER}/root`;
const DENO = `${FOLDER}/package/deno`;
const EMULATOR = "qemu-aarch64-static";
/** What is emulated takes its time. In seconds. */
const PATIENCE = "240";

/** Deno and a Debian with libvirt for aarch64, unpacked; nothing of it is installed. Rejects where it cannot be had. */
async function prepare(): Promise<void> {
  const needs = [
    ["mmdebstrap", "/usr/bin/mmdebstrap"],
    ["qemu-user-static", `/usr/bin/${EMULATOR}`],
  ];
  // dpkg-query(1) -W knows packages as well that are not installed.
  const there = await Promise.all(needs.map(([, file]) => exists(file)));
  if (there.includes(false)) {
    const apt = ["apt-get", "-o", "DPkg::Lock::Timeout=300"];
    await run([...apt, "update"]);
    await run([
      ...apt,
      "install",
      "-y",
      "--no-install-recommends",
      ...needs.map(([name]) => name),
    ], { env: { DEBIAN_FRONTEND: "noninteractive" } });
  }
  await Deno.mkdir(FOLDER, { recursive: true });
  if (!await exists(`${ROOT}/usr/lib/aarch64-linux-gnu/libvirt.so.0`)) {
    await Deno.remove(ROOT, { recursive: true }).catch(() => {});
    await run([
      "mmdebstrap",
      "--variant=extract", // runs nothing of it
      "--architectures=arm64",
      "--include=libvirt0",
      "bookworm",
      ROOT,
    ]);
  }
  if (!await exists(DENO)) {
    const archive = await run(
      ["npm", "pack", "--silent", "@deno/linux-arm64-glibc@2.9"],
      { cwd: FOLDER },
    );
    const newest = archive.split("\n").at(-1)!;
    await run(["tar", "xzf", newest], { cwd: FOLDER });
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

try {
  await prepare();
} catch (error) {
  console.log(
    `skipped: the tests on aarch64 need Debian's packages mmdebstrap, qemu-user-static and libvirt0:arm64, and ` +
      `@deno/linux-arm64-glibc from npm: ${(error as Error).message}`,
  );
  Deno.exit();
}
const command = [EMULATOR, "-L", ROOT, DENO, "run", "-A"];
// The modules are compiled once, before anybody waits for an answer.
const version = await run([...command, `${REPOSITORY}main.ts`, "--version"]);
console.log(`${version} on aarch64`);
const { code } = await new Deno.Command(Deno.execPath(), {
  args: ["test", "--config=tests/deno.json", "-A", "tests/aarch64"],
  cwd: REPOSITORY,
  env: {
    JITSU: [...command, `${REPOSITORY}main.ts`].join(" "),
    JITSU_AARCH64: "1",
    TEST_PATIENCE: PATIENCE,
  },
}).spawn().status;
Deno.exit(code);
