/**
 * Finding the libraries of Xen whose file name carries the version of Xen they were built for, such as
 * libxenlight.so.4.17. Several may be installed: the hypervisor's own is tried first, then the others from the newest
 * on.
 *
 * @module
 */
import type { Library } from "../ffi/library.ts";

/** The oldest Xen 4 whose libxl knows PVH guests by the JSON we write. */
const OLDEST = 10;

/** The installed libraries of that name, such as `libxenlight`. */
export function xenLibrary(name: string): Library {
  return {
    name,
    candidates: {
      [Symbol.iterator]: () =>
        candidates(name, folders(), hypervisorVersion()).values(),
    },
    install: [
      "apt-get install xen-utils (Debian, Ubuntu)",
      "dnf install xen-libs (Fedora, EL)",
      "apk add xen-libs (Alpine)",
    ],
  };
}

/**
 * The paths of the libraries of that name in the folders, in the order to try them; where there is none, what was
 * looked for.
 *
 * @param version the NN of Xen 4.NN, as the hypervisor has it
 */
export function candidates(
  name: string,
  folders: string[],
  version?: number,
): string[] {
  const found = folders.flatMap((folder) =>
    names(folder).flatMap((file) => {
      const [, minor] = /^\.so\.4\.(\d+)$/.exec(
        file.startsWith(name) ? file.slice(name.length) : "",
      ) ?? [];
      return Number(minor) >= OLDEST
        ? [{ path: `${folder}/${file}`, minor: Number(minor) }]
        : [];
    })
  );
  const rank = (minor: number) => minor === version ? Infinity : minor;
  // Infinity - Infinity is NaN, which sort takes for 0.
  found.sort((a, b) => rank(b.minor) - rank(a.minor));
  return found.length > 0
    ? found.map(({ path }) => path)
    : folders.map((folder) => `${folder}/${name}.so.4.*`);
}

/** Where distributions and Xen's own `make install` put it. */
function folders(): string[] {
  const triplet = `${Deno.build.arch}-linux-gnu`;
  return [
    ...(Deno.env.get("LD_LIBRARY_PATH") ?? "").split(":").filter(Boolean),
    `/usr/lib/${triplet}`,
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/lib",
    "/usr/local/lib64",
    ...names("/usr/lib").filter((name) => /^xen-4\.\d+$/.test(name))
      .flatMap((name) => [
        `/usr/lib/${name}/lib/${triplet}`,
        `/usr/lib/${name}/lib`,
        `/usr/lib/${name}/lib64`,
      ]),
  ];
}

/** The names in a folder, none where there is no such folder. */
function names(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch (error) {
    if (
      error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory
    ) return [];
    throw error;
  }
}

/** The NN of Xen 4.NN that runs below us (Documentation/ABI/stable/sysfs-hypervisor-xen), if any. */
function hypervisorVersion(): number | undefined {
  try {
    return Number(Deno.readTextFileSync("/sys/hypervisor/version/minor"));
  } catch {
    return undefined;
  }
}
