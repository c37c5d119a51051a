/**
 * What would keep a guest from starting, as far as that can be seen without starting it.
 *
 * @module
 */
import type { Context } from "./context.ts";
import type { Guest } from "./guest.ts";
import { totalMemory } from "./host.ts";
import { FAST_SCRIPT } from "./values.ts";

/** The scripts that connect an interface to a bridge of Linux's; libxl takes the first where none is said. */
const BRIDGE_SCRIPTS = ["vif-bridge", FAST_SCRIPT];

/** A sentence for each problem, with the key that is to be changed. Rejects with LibxlError. */
export async function startProblems(
  context: Context,
  guest: Guest,
): Promise<string[]> {
  const host = await totalMemory(context);
  return [
    ...guest.memoryKiB >= host
      ? [`memory=${guest.memoryKiB}: this host has ${host} KiB in all`]
      : [],
    ...await kernelProblem(guest.kernel),
    ...(await Promise.all(
      guest.nics.map(({ bridge, script }) =>
        BRIDGE_SCRIPTS.includes(script ?? "vif-bridge")
          ? bridgeProblem(bridge)
          : []
      ),
    )).flat(),
  ];
}

/** `net` is where the kernel shows network interfaces (Documentation/ABI/testing/sysfs-class-net). */
export async function bridgeProblem(
  bridge: string,
  net = "/sys/class/net",
): Promise<string[]> {
  if (await exists(`${net}/${bridge}/bridge`)) return [];
  return [
    await exists(`${net}/${bridge}`)
      ? `nic=${bridge}: that network interface is no bridge`
      : `nic=${bridge}: there is no such bridge; "ip link add ${bridge} type bridge" makes one`,
  ];
}

/** The octets that a kernel has and where, for those that Xen's domain builder knows (tools/libs/guest/xg_dom_*loader.c). */
const KERNELS: readonly (readonly [at: number, octets: string])[] = [
  [0, "\x7fELF"],
  [0x202, "HdrS"], // Linux's bzImage
  [0x38, "ARM\x64"], // Linux's Image
  [0x24, "\x18\x28\x6f\x01"], // Linux's zImage
  // Compressed by gzip, bzip2, xz, lzma, lzo, lz4, zstd
  [0, "\x1f\x8b"],
  [0, "BZh"],
  [0, "\xfd7zXZ"],
  [0, "\x5d\x00\x00"],
  [0, "\x89LZO"],
  [0, "\x02\x21\x4c\x18"],
  [0, "\x28\xb5\x2f\xfd"],
];
const MULTIBOOT_MAGIC = "\x02\xb0\xad\x1b", MULTIBOOT_RANGE = 8192;

export async function kernelProblem(path: string): Promise<string[]> {
  using file = await Deno.open(path);
  const bytes = new Uint8Array(MULTIBOOT_RANGE);
  const length = await file.read(bytes) ?? 0;
  const text = String.fromCharCode(...bytes.subarray(0, length));
  return KERNELS.some(([at, octets]) => text.startsWith(octets, at)) ||
      text.includes(MULTIBOOT_MAGIC)
    ? []
    : [`kernel=${path}: it is no kernel that Xen knows how to load`];
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
