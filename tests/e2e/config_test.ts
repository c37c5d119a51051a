/**
 * The configuration file on the real program: served, checked, and read again while it serves.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  contentOf,
  lives,
  TestDirectory,
} from "../backends/process/support.ts";
import { canDig, Jitsu, runJitsu } from "./harness.ts";

/** A file, a control socket, and a program that is told of both. */
class Setting implements Disposable {
  readonly dir = new TestDirectory();
  readonly file = `${this.dir.path}/jitsu.toml`;
  readonly control = `${this.dir.path}/control.sock`;

  /** Writes the file: options, and unikernels by their names, with a process each that writes its pid. */
  write(options: string, ...unikernels: string[]): void {
    Deno.writeTextFileSync(
      this.file,
      `backend = "process"\nforwarder = "0.0.0.0"\ndelay = 0\n${options}\n${
        unikernels.join("\n")
      }`,
    );
  }
  unikernel(name: string, ip = "127.0.0.2", more = ""): string {
    return `[[unikernel]]
name = "${name}"
dns = "${name}.test"
ip = "${ip}"
command = "sh -c 'echo $$ >${this.dir.path}/${name}; exec sleep 1000'"
${more}`;
  }
  pidOf = async (name: string) =>
    Number(await contentOf(`${this.dir.path}/${name}`));

  start(...args: string[]): Promise<Jitsu> {
    return Jitsu.start(
      `--config=${this.file}`,
      `--control=${this.control}`,
      ...args,
    );
  }
  reload = (...args: string[]) =>
    runJitsu("reload", `--control=${this.control}`, ...args);

  [Symbol.dispose](): void {
    this.dir[Symbol.dispose]();
  }
}

function test(name: string, fn: (setting: Setting) => Promise<void>): void {
  Deno.test({
    name,
    ignore: !canDig,
    async fn() {
      using setting = new Setting();
      await fn(setting);
    },
  });
}

async function assertAnswers(jitsu: Jitsu, name: string, ip = "127.0.0.2") {
  const { status, answers, text } = await jitsu.dig(`${name}.test`);
  assertEquals(
    [status, answers.map(({ data }) => data)],
    ["NOERROR", [ip]],
    text,
  );
}

test("what a file says is served, beside what the command line says", async (setting) => {
  setting.write("ttl = 7", setting.unikernel("file"));
  await using jitsu = await setting.start(
    "dns=line.test,ip=127.0.0.3,name=line,command=sleep 1000,ttl=9",
  );
  await assertAnswers(jitsu, "file");
  await assertAnswers(jitsu, "line", "127.0.0.3");
  const { answers } = await jitsu.dig("file.test");
  assertEquals(answers[0].ttl, 7);
});

test("a reload applies what is different and touches nothing else", async (setting) => {
  const { unikernel } = setting;
  const make = unikernel.bind(setting);
  setting.write("", make("same"), make("changes"), make("goes"));
  await using jitsu = await setting.start();
  const names = ["same", "changes", "goes"];
  for (const name of names) await assertAnswers(jitsu, name);
  const pids = await Promise.all(names.map(setting.pidOf));

  setting.write(
    'nsid = "new"\nttl = 60',
    make("changes", "127.0.0.4", "mode = 'suspend'"),
    make("same"),
    make("comes"),
  );
  const { code, stdout, stderr } = await setting.reload();
  assertEquals([code, stderr], [0, ""]);
  assertEquals(stdout.trimEnd().split("\n"), [
    "comes: added",
    "changes: changed",
    "goes: removed",
    "1 unchanged",
    "these options have changed and count only after a restart: nsid",
  ]);
  await assertAnswers(jitsu, "same");
  await assertAnswers(jitsu, "changes", "127.0.0.4");
  await assertAnswers(jitsu, "comes");
  assertEquals((await jitsu.dig("goes.test")).status, "NXDOMAIN");
  assertEquals(await Promise.all(names.map(setting.pidOf)), pids);
  assert(pids.every(lives), "none was stopped, nor started again");
});

test("a reload stops what is gone where that is asked for", async (setting) => {
  setting.write("", setting.unikernel("goes"));
  await using jitsu = await setting.start();
  await assertAnswers(jitsu, "goes");
  const pid = await setting.pidOf("goes");
  setting.write("");
  assertEquals(
    (await setting.reload("--stop")).stdout,
    "goes: removed\n0 unchanged\n",
  );
  assert(!lives(pid));
});

test("SIGHUP is a reload, what an operator added stays", async (setting) => {
  setting.write("", setting.unikernel("www"));
  await using jitsu = await setting.start();
  const added = "dns=added.test,ip=127.0.0.5,name=added,command=sleep 1000";
  await runJitsu("add", `--control=${setting.control}`, added);
  setting.write("", setting.unikernel("www", "127.0.0.4"));
  jitsu.kill("SIGHUP");
  await jitsu.logged(/reloaded: 0 added, 1 changed, 0 removed, 0 unchanged/);
  await assertAnswers(jitsu, "www", "127.0.0.4");
  await assertAnswers(jitsu, "added", "127.0.0.5");
});

test("what was taken out of the file while no daemon ran is served no longer; what an operator added is", async (setting) => {
  const database = `--persistdb=${setting.dir.path}/jitsu.db`;
  setting.write("", setting.unikernel("stays"), setting.unikernel("goes"));
  {
    await using jitsu = await setting.start(database);
    const added = "dns=added.test,ip=127.0.0.5,name=added,command=sleep 1000";
    await runJitsu("add", `--control=${setting.control}`, added);
    await assertAnswers(jitsu, "goes");
    assertEquals((await jitsu.stop()).code, 0);
  }
  setting.write("", setting.unikernel("stays"));
  await using jitsu = await setting.start(database);
  await jitsu.logged(/goes: removed, since \S+\/jitsu\.toml has it no longer/);
  await assertAnswers(jitsu, "stays");
  await assertAnswers(jitsu, "added", "127.0.0.5");
  assertEquals((await jitsu.dig("goes.test")).answers, []);
  const control = `--control=${setting.control}`;
  assertMatch(
    (await runJitsu("history", control, "goes")).stdout,
    /gone from the configuration file/,
  );
});

test("a file with a mistake changes nothing, and the mistake is told with its line", async (setting) => {
  setting.write("", setting.unikernel("www"));
  await using jitsu = await setting.start();
  setting.write(
    "",
    setting.unikernel("www", "127.0.0.4"),
    setting.unikernel("bad", "nonsense"),
  );
  const { code, stderr } = await setting.reload();
  assertEquals(code, 2);
  assertEquals(
    stderr,
    `jitsu: ${setting.file}:14: ip "nonsense" is not an IPv4 or IPv6 address\njitsu: nothing was changed\n`,
  );
  jitsu.kill("SIGHUP");
  await jitsu.logged(/ERROR jitsu: reload: .*:14: ip "nonsense"/);
  await assertAnswers(jitsu, "www");
});

test("a daemon without a file has nothing to reload, and goes on after SIGHUP", async (setting) => {
  await using jitsu = await Jitsu.start(
    ...["--backend=process", "--delay=0", "--forwarder=0.0.0.0"],
    `--control=${setting.control}`,
    "dns=www.test,ip=127.0.0.2,name=www,command=sleep 1000",
  );
  const { code, stderr } = await setting.reload();
  assertEquals(code, 2);
  assertMatch(stderr, /started without --config/);
  jitsu.kill("SIGHUP");
  await jitsu.logged(/nothing to read again/);
  await assertAnswers(jitsu, "www");
});

test("a check tells every mistake with its line, and exits 1; a file without one exits 0", async (setting) => {
  setting.write("", setting.unikernel("www"));
  assertEquals(await runJitsu("check", setting.file), {
    code: 0,
    stdout: `${setting.file}: 1 unikernel, no mistake\n`,
    stderr: "",
  });
  setting.write("tttl = 1", setting.unikernel("www", "nonsense"));
  assertEquals(await runJitsu("check", setting.file), {
    code: 1,
    stdout: "",
    stderr:
      `jitsu: ${setting.file}:4: option tttl is unknown; did you mean ttl?\n` +
      `jitsu: ${setting.file}:8: ip "nonsense" is not an IPv4 or IPv6 address\n`,
  });
});
