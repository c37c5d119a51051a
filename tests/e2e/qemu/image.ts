/**
 * The guests' image: Debian's cloud kernel, unpacked from its package, and an initramfs of busybox and the modules it
 * needs. Built once and kept.
 *
 * @module
 */
import { run } from "../../run.ts";

const KERNEL = "linux-image-cloud-amd64";
/** What the guest's devices need: the network card, its bus, the power button and reading it. */
const MODULES = ["virtio_pci", "virtio_net", "button", "evdev"];
const INIT = new URL("guest_init.sh", import.meta.url);

/** Paths of a guest's kernel and initramfs. */
export interface Image {
  kernel: string;
  initramfs: string;
}

/** The image, built if there is none yet or another one is wanted now. Needs apt, dpkg, kmod and busybox-static. */
export async function guestImage(): Promise<Image> {
  const cache = `${
    Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`
  }/jitsu-test`;
  const folder = `${cache}/guest-${await recipe()}`;
  const image = {
    kernel: `${folder}/vmlinuz`,
    initramfs: `${folder}/initramfs.cpio`,
  };
  if (!await exists(image.initramfs)) {
    await Deno.mkdir(cache, { recursive: true });
    const work = await Deno.makeTempDir({ dir: cache, prefix: "building-" });
    try {
      await build(work);
      await Deno.rename(`${work}/image`, folder);
    } finally {
      await Deno.remove(work, { recursive: true });
    }
  }
  return image;
}

/** Names what the image is made from, so that another recipe makes another image. */
async function recipe(): Promise<string> {
  const text = await Deno.readTextFile(INIT) + KERNEL + MODULES;
  const digest = await crypto.subtle.digest(
    "SHA-256",
    new TextEncoder().encode(text),
  );
  return new Uint8Array(digest).toHex().slice(0, 12);
}

async function build(work: string): Promise<void> {
  const tree = `${work}/tree`, image = `${work}/image`;
  for (const each of ["bin", "dev", "proc", "sys", "www"]) {
    await Deno.mkdir(`${tree}/${each}`, { recursive: true });
  }
  await Deno.mkdir(image);

  const { unpacked, release } = await kernel(work);
  await Deno.copyFile(
    `${unpacked}/boot/vmlinuz-${release}`,
    `${image}/vmlinuz`,
  );
  const modules = await copyModules(unpacked, release, tree);
  await Deno.writeTextFile(`${tree}/modules`, modules.join("\n") + "\n");

  await Deno.copyFile("/bin/busybox", `${tree}/bin/busybox`);
  await Deno.copyFile(INIT, `${tree}/init`);
  await Deno.chmod(`${tree}/init`, 0o755);
  await run([
    "sh",
    "-c",
    "find . | busybox cpio -o -H newc >../image/initramfs.cpio",
  ], { cwd: tree });
}

/** Downloads and unpacks the kernel that the meta-package depends on. */
async function kernel(
  work: string,
): Promise<{ unpacked: string; release: string }> {
  const [, name] = /Depends: (linux-image-\S+)/.exec(
    await run(["apt-cache", "depends", KERNEL]),
  ) ?? [];
  if (name === undefined) {
    throw new Error(`${KERNEL} is not in apt's lists; run apt-get update`);
  }
  await run(["apt-get", "download", name], { cwd: work });
  const file =
    [...Deno.readDirSync(work)].find((each) => each.name.endsWith(".deb"))!
      .name;
  const unpacked = `${work}/kernel`;
  await run(["dpkg-deb", "-x", `${work}/${file}`, unpacked]);
  return { unpacked, release: name.replace("linux-image-", "") };
}

/** Copies the modules and those they depend on into the tree, and lists them in the order to load them. */
async function copyModules(
  unpacked: string,
  release: string,
  tree: string,
): Promise<string[]> {
  // Debian 13 moved /lib to /usr/lib in the package itself.
  const base = await exists(`${unpacked}/lib/modules`)
    ? unpacked
    : `${unpacked}/usr`;
  await run(["depmod", "-b", base, release]);
  const folder = `${base}/lib/modules/${release}`;
  const dependencies = await Deno.readTextFile(`${folder}/modules.dep`);
  const paths = MODULES.flatMap((module) => {
    // "drivers/net/virtio_net.ko: drivers/net/net_failover.ko drivers/virtio/virtio.ko", the deepest last
    const line = dependencies.match(
      new RegExp(`^\\S*/${module}\\.ko[.xz]*:.*$`, "m"),
    );
    if (line === null) throw new Error(`${release} has no module ${module}`);
    return line[0].replace(":", "").split(" ").reverse();
  });
  const names = [];
  for (const path of new Set(paths)) {
    const name = path.replace(/.*\//, "");
    await Deno.copyFile(`${folder}/${path}`, `${tree}/${name}`);
    if (name.endsWith(".xz")) await run(["xz", "-d", `${tree}/${name}`]);
    names.push(name.replace(/\.xz$/, ""));
  }
  return names;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
