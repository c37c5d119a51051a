import { assertEquals, assertThrows } from "@std/assert";
import {
  readUser,
  resolveAccount,
} from "../../../src/backends/process/accounts.ts";

async function withFiles(
  test: (resolve: (spec: string) => unknown) => void,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    Deno.writeTextFileSync(
      `${dir}/passwd`,
      "root:x:0:0:root:/root:/bin/bash\nwww:x:33:34:www:/var/www:/bin/false\n1000:x:7:8::/odd:\n",
    );
    Deno.writeTextFileSync(
      `${dir}/group`,
      "root:x:0:\nkvm:x:104:www\nwww:x:34:\n",
    );
    test((spec) =>
      resolveAccount(readUser(spec), `${dir}/passwd`, `${dir}/group`)
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("a user comes with the group that /etc/passwd gives it", () =>
  withFiles((resolve) => {
    const www = {
      uid: 33,
      gid: 34,
      name: "www",
      home: "/var/www",
      shell: "/bin/false",
    };
    assertEquals(resolve("www"), www);
    assertEquals(resolve("33"), www);
    assertEquals(resolve("www:kvm"), { ...www, gid: 104 });
    assertEquals(resolve("33:104"), { ...www, gid: 104 });
  }));

Deno.test("a number without an entry is taken as it is where its group is given", () =>
  withFiles((resolve) => {
    const account = {
      uid: 4711,
      gid: 4712,
      name: undefined,
      home: undefined,
      shell: undefined,
    };
    assertEquals(resolve("4711:4712"), account);
    assertThrows(() => resolve("4711"), Error, "name its group too");
  }));

Deno.test("a name that looks like a number wins over that number", () =>
  withFiles((resolve) =>
    assertEquals(resolve("1000"), {
      uid: 7,
      gid: 8,
      name: "1000",
      home: "/odd",
      shell: "",
    })
  ));

Deno.test("a user or group that is not there is named", () =>
  withFiles((resolve) => {
    assertThrows(() => resolve("wwww"), Error, 'no user "wwww" in');
    assertThrows(() => resolve("www:kvmm"), Error, 'no group "kvmm" in');
  }));
