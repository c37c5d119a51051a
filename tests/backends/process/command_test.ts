import { assertEquals, assertThrows } from "@std/assert";
import { BackendError } from "../../../src/backends/backend.ts";
import { machineConfig } from "../machine_config.ts";
import { PROCESS } from "../../../src/backends/process/description.ts";
import { commandOf } from "../../../src/backends/process/command.ts";

function command(keys: Record<string, string | string[]>) {
  return commandOf(machineConfig(PROCESS, "www", keys));
}

function assertRefused(
  keys: Record<string, string | string[]>,
  message: string,
): void {
  assertThrows(() => command(keys), BackendError, message);
}

async function withDirectory(
  test: (dir: string) => void | Promise<void>,
): Promise<void> {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  try {
    await Deno.writeTextFile(`${dir}/server`, "", { mode: 0o755 });
    await Deno.writeTextFile(`${dir}/data`, "", { mode: 0o644 });
    await test(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("a program without a slash is found on PATH", () =>
  withDirectory((dir) => {
    const { environment, ...rest } = command({
      command: "sh -c 'exit 3'",
      env: "PATH=/bin",
    });
    assertEquals(rest, {
      program: "/bin/sh",
      args: ["-c", "exit 3"],
      cwd: Deno.cwd(),
      uid: undefined,
      gid: undefined,
    });
    assertEquals(environment.PATH, "/bin");
    const env = `PATH=/nonexistent:${dir}`;
    assertEquals(
      command({ command: "server", env }).program,
      `${dir}/server`,
      "the PATH that the process gets is the one that counts",
    );
  }));

Deno.test("a program with a slash is a path from the directory it runs in", () =>
  withDirectory((dir) => {
    for (const name of ["./server", `../${dir.split("/").at(-1)}/server`]) {
      const { program, cwd } = command({ command: name, cwd: dir });
      assertEquals([program, cwd], [`${dir}/server`, dir]);
    }
  }));

Deno.test("a program that can't be run is refused, with what is wrong and what to do", () =>
  withDirectory((dir) => {
    assertRefused(
      { command: "no-such-program -x", env: "PATH=/bin" },
      "command=no-such-program: not found on PATH (/bin): install it",
    );
    assertRefused(
      { command: `${dir}/servr` },
      `command=${dir}/servr: no such file`,
    );
    assertRefused(
      { command: "./data", cwd: dir },
      `command=./data: not executable (${dir}/data): chmod +x`,
    );
    assertRefused({ command: dir }, `command=${dir}: not a file`);
  }));

Deno.test("a directory that is not there is refused", () =>
  withDirectory((dir) => {
    for (const cwd of [`${dir}/nowhere`, `${dir}/data`, `${dir}/data/x`]) {
      assertRefused(
        { command: "sh", cwd },
        `cwd=${cwd}: no such directory`,
      );
    }
  }));

Deno.test("the environment keeps every = after the first, and the last value of a name counts", () => {
  const { environment: { A, B, C } } = command({
    command: "sh",
    env: ["A=1", "B=x=y=z", "A=2", "C="],
  });
  assertEquals({ A, B, C }, { A: "2", B: "x=y=z", C: "" });
});

const root = Deno.uid() === 0;
// deno-lint-ignore no-console -- says why a test does not run
console.log(
  root
    ? "skipped: that another user needs root can't be seen as root"
    : "skipped: another user needs root",
);
Deno.test({
  name: "another user is refused unless Jitsu is root",
  ignore: root,
  fn: () => assertRefused({ command: "sh", user: "root" }, "only root can run"),
});

Deno.test({
  name:
    "a user begins as after a log-in, with nothing of ours but what env sets",
  ignore: !root,
  fn() {
    const { environment, uid, gid } = command({
      command: "sh",
      user: "root:0",
      env: "HOME=/x",
    });
    assertEquals({ environment, uid, gid }, {
      environment: {
        HOME: "/x",
        SHELL: "/bin/bash",
        PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        USER: "root",
        LOGNAME: "root",
      },
      uid: 0,
      gid: 0,
    });
    assertRefused(
      { command: "sh", user: "no-such-user" },
      'user=no-such-user: no user "no-such-user" in /etc/passwd',
    );
  },
});
