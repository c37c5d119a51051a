/**
 * The whole story with libvirt's test hypervisor: the real program, the real libvirt, the real dig. The same with real
 * guests is in qemu/.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  domainXml,
  missing,
  TEST_URI,
} from "../backends/libvirt/hypervisor.ts";
import { canDig, Jitsu, runJitsu } from "./harness.ts";

const IP = "192.0.2.1";

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !canDig || missing !== undefined, fn });
}

function start(...args: string[]): Promise<Jitsu> {
  return Jitsu.start("--backend=libvirt", "--forwarder=0.0.0.0", ...args);
}

/** Asks for the name, which must be answered with the address. */
async function assertAnswers(jitsu: Jitsu, name = "www.test"): Promise<void> {
  const { status, answers, text } = await jitsu.dig(name);
  assertEquals(
    [status, answers.map(({ data }) => data)],
    ["NOERROR", [IP]],
    text,
  );
}

for (
  const [keys, stopped, again] of [
    ["mode=destroy,adopt=stop", /test: off after/, /test: started in/],
    ["mode=shutdown,adopt=stop", /test: off after/, /test: started in/],
    ["mode=suspend", /test: paused after/, /test: unpaused in/],
    ["mode=suspend,suspend=disk", /test: suspended after/, /test: resumed in/],
  ] as const
) {
  test(`a domain that runs is taken over, stopped when nobody asks for it, and summoned again (${keys})`, async () => {
    await using jitsu = await start(
      `--connect=${TEST_URI}`,
      `dns=www.test,ip=${IP},name=test,ttl=1,${keys}`,
    );
    await jitsu.logged(/test: found running/);
    await jitsu.logged(stopped);
    const news = jitsu.log.length;
    await assertAnswers(jitsu);
    await jitsu.logged(again, news);
    assertEquals((await jitsu.stop()).code, 0);
  });
}

test("a domain that somebody else started is answered for and left alone", async () => {
  const file = await Deno.makeTempFile({ suffix: ".xml" });
  const [theirs, given] = ["theirs", "given"].map((name) =>
    domainXml(name, crypto.randomUUID(), "<test:runstate>1</test:runstate>")
  );
  await Deno.writeTextFile(file, `<node>${theirs}${given}</node>`);
  try {
    await using jitsu = await start(
      `--connect=test://${file}`,
      "--stop-on-exit",
      `dns=theirs.test,ip=${IP},name=theirs,ttl=1`,
      // It is idle for as long, so that it shows when the time is over.
      `dns=given.test,ip=${IP},name=given,ttl=1,adopt=stop`,
    );
    await assertAnswers(jitsu, "theirs.test");
    await assertAnswers(jitsu, "given.test");
    await jitsu.logged(/given: off after/);
    await assertAnswers(jitsu, "theirs.test");
    assertEquals((await jitsu.stop()).code, 0);
    const told = jitsu.log.filter((line) =>
      /theirs: (destroying|off)/.test(line)
    );
    assertEquals(told, []);
  } finally {
    await Deno.remove(file);
  }
});

test("two CONFIGs for one domain are refused, by name and by UUID, at start and later", async () => {
  const directory = await Deno.makeTempDir();
  const file = `${directory}/node.xml`, socket = `${directory}/socket`;
  const uuid = crypto.randomUUID();
  await Deno.writeTextFile(file, `<node>${domainXml("vm1", uuid)}</node>`);
  const byName = `dns=vm1.test,ip=${IP},name=vm1`;
  const byUuid = `dns=alias.test,ip=${IP},name=alias,uuid=${uuid}`;
  const refusal = new RegExp(`its machine, ${uuid}, is that of vm1 too`);
  try {
    const { message } = await assertRejects(
      () => start(`--connect=test://${file}`, byName, byUuid),
      Error,
    );
    assertMatch(message, new RegExp(`its machine, ${uuid}, is that of`));
    await using _jitsu = await start(
      `--connect=test://${file}`,
      `--control=${socket}`,
      byName,
    );
    const { code, stderr } = await runJitsu(
      "add",
      `--control=${socket}`,
      byUuid,
    );
    assertEquals(code, 2);
    assertMatch(stderr, refusal);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

test("domains that are off are started by queries for their names, each once, by name and by UUID", async () => {
  const file = await Deno.makeTempFile({ suffix: ".xml" });
  const off = "<test:runstate>5</test:runstate>"; // VIR_DOMAIN_SHUTOFF
  const uuids = Array.from({ length: 10 }, () => crypto.randomUUID());
  await Deno.writeTextFile(
    file,
    `<node>${uuids.map((uuid, i) => domainXml(`vm${i}`, uuid, off))}</node>`,
  );
  try {
    await using jitsu = await start(
      `--connect=test://${file}`,
      "--delay=0",
      ...uuids.map((uuid, i) =>
        `dns=n${i}.test,ip=${IP},` +
        (i % 2 === 0 ? `name=vm${i}` : `uuid=${uuid},name=n${i}`)
      ),
    );
    const names = uuids.map((_, i) => `n${i}.test`);
    await Promise.all(
      [...names, ...names].map((name) => assertAnswers(jitsu, name)),
    );
    const started = jitsu.log.flatMap((line) =>
      /summon: (\w+): started in/.exec(line)?.[1] ?? []
    );
    assertEquals(
      started.sort(),
      uuids.map((_, i) => i % 2 === 0 ? `vm${i}` : `n${i}`).sort(),
    );
  } finally {
    await Deno.remove(file);
  }
});

test("--stop-on-exit stops domains in their mode", async () => {
  await using jitsu = await start(
    `--connect=${TEST_URI}`,
    "--stop-on-exit",
    `dns=www.test,ip=${IP},name=test,mode=suspend`,
  );
  const { code, ms } = await jitsu.stop();
  assertEquals(code, 0);
  assert(ms < 5000, `it exits within 5 s, but took ${ms} ms`);
  assert(
    jitsu.log.some((line) => /test: paused after/.test(line)),
    jitsu.log.join("\n"),
  );
});

test("a domain that libvirt does not have is told before anything is served", async () => {
  await assertRejects(
    () => start(`--connect=${TEST_URI}`, `dns=www.test,ip=${IP},name=tset`),
    Error,
    'libvirt at test:///default has no domain "tset" (did you mean "test"?)',
  );
});

test("a libvirt that cannot be reached is told before anything is served, without secrets", async () => {
  const { message } = await assertRejects(
    () =>
      start(
        "--connect=qemu+unix://joe:s3cret@/system?socket=/nowhere",
        `dns=www.test,ip=${IP},name=test`,
      ),
    Error,
    "cannot connect to libvirt at qemu+unix://joe:***@/system?socket=/nowhere: Failed to connect socket to '/nowhere'",
  );
  assert(!message.includes("s3cret"), message);
});
