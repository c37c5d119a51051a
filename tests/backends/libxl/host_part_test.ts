import { assertEquals } from "@std/assert";
import { hostPart } from "../../../src/backends/libxl/host_part.ts";

/** What xenstore says of these keys. */
function xenstore(keys: Record<string, string>) {
  return {
    read: (path: string) => Promise.resolve(keys[path] as string | undefined),
    list: (path: string) =>
      Promise.resolve(
        Object.keys(keys).filter((key) => key.startsWith(path + "/")),
      ),
  };
}

const HOME = "/local/domain/5";

for (
  const [what, keys, info, part] of [
    ["a guest", { [`${HOME}/name`]: "www" }, {}, undefined],
    ["domain 0", {}, { domid: 0 }, "Xen's control domain"],
    [
      "xenstore's domain",
      {},
      { never_stop: true },
      "the domain of xenstore",
    ],
    [
      "a stub domain",
      { [`${HOME}/target`]: "4" },
      {},
      "the device model of domain 4",
    ],
    [
      "one that was made as a driver domain",
      { [`${HOME}/libxl`]: "" },
      {},
      "a driver domain",
    ],
    [
      "one that has a guest's device",
      { [`${HOME}/backend/vif/4/0`]: "" },
      {},
      "a driver domain",
    ],
  ] as const
) {
  Deno.test(`${what} is ${part ?? "no part of the host"}`, async () => {
    assertEquals(
      await hostPart(xenstore(keys), { domid: 5, ...info }),
      part,
    );
  });
}
