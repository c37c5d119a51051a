import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { loadLibXenstore, XenstoreError } from "../../src/xen/libxenstore.ts";
import { writeRumprunConfig } from "../../src/xen/rumprun.ts";
import { waitForXenstoreKey } from "../../src/xen/wait_for_key.ts";
import { watch } from "../../src/xen/watches.ts";
import { Xenstore } from "../../src/xen/xenstore.ts";
import { openFiles } from "../open_files.ts";
import { run } from "../run.ts";
import { until } from "../until.ts";
import { isDom0, test, xenstoreRead } from "./dom0.ts";

// Not by the first test that needs it: what a test loads, it has to unload.
if (isDom0) loadLibXenstore();

const HOME = "/local/domain/0/jitsu-test";

/** A part of xenstore for the time of a test. */
async function withXenstore(
  use: (xenstore: Xenstore) => Promise<void>,
): Promise<void> {
  await using xenstore = await Xenstore.open();
  try {
    await use(xenstore);
  } finally {
    await xenstore.remove(HOME);
  }
}

test("what is written to xenstore is read, listed and removed", () =>
  withXenstore(async (xenstore) => {
    await xenstore.write(`${HOME}/a/b`, "grün");
    await xenstore.write(`${HOME}/a/c`, "");
    assertEquals(await xenstoreRead(`${HOME}/a/b`), "grün");
    assertEquals(await xenstore.read(`${HOME}/a/b`), "grün");
    assertEquals(await xenstore.read(`${HOME}/a/c`), "");
    assertEquals((await xenstore.list(`${HOME}/a`)).sort(), ["b", "c"]);
    await xenstore.remove(`${HOME}/a`);
    assertEquals(await xenstore.read(`${HOME}/a/b`), undefined);
    assertEquals(await xenstore.list(`${HOME}/a`), []);
    await xenstore.remove(`${HOME}/a`);
  }));

test("what xenstored refuses to write is told", () =>
  withXenstore(async (xenstore) => {
    await assertRejects(
      () => xenstore.write(`${HOME}/big`, "x".repeat(5000)),
      XenstoreError,
      `xenstored does not write 5000 bytes to ${HOME}/big`,
    );
    assertEquals(await xenstore.read(`${HOME}/big`), undefined);
  }));

test("a rumprun configuration gets into xenstore, and where oxenstored takes no more, that is told", async () => {
  await using xenstore = await Xenstore.open();
  const domid = 32751; // nobody's
  const text = "x".repeat(2048); // oxenstored's quota-maxsize, see oxenstored.conf(5)
  try {
    await writeRumprunConfig(xenstore, domid, text);
    assertEquals(
      await xenstore.read(`/local/domain/${domid}/rumprun/cfg`),
      text,
    );
    await assertRejects(
      () => writeRumprunConfig(xenstore, domid, text + "x"),
      XenstoreError,
      "xenstored does not write 2049 bytes to /local/domain/32751/rumprun/cfg; oxenstored has a limit of its own",
    );
  } finally {
    await xenstore.remove(`/local/domain/${domid}`);
  }
});

test("a watch tells once at the beginning and then of each change at or below its path, until it ends", () =>
  withXenstore(async (xenstore) => {
    let events = 0;
    const unwatch = await watch(HOME, {
      onEvent: () => events++,
      onLost: (error) => {
        throw error;
      },
    });
    await until("the first event", () => events === 1);
    await run(["xenstore-write", `${HOME}/deep/key`, "1"]);
    await until("the event of a change", () => events >= 2);
    await unwatch();
    const told = events;
    await xenstore.write(`${HOME}/deep/key`, "2");
    assertEquals(await xenstore.read(`${HOME}/deep/key`), "2");
    assertEquals(events, told);
  }));

test("watches that come and go leave nothing open", async () => {
  const listener = { onEvent() {}, onLost() {} };
  const before = openFiles();
  for (let i = 0; i < 20; i++) {
    const unwatches = await Promise.all(
      [1, 2, 3].map((n) => watch(`${HOME}/${n}`, listener)),
    );
    await Promise.all(unwatches.map((unwatch) => unwatch()));
  }
  assertEquals(openFiles(), before);
});

test("a key that is there is not waited for", () =>
  withXenstore(async (xenstore) => {
    await xenstore.write(`${HOME}/ready`, "");
    await waitForXenstoreKey(
      0,
      "jitsu-test/ready",
      AbortSignal.timeout(60_000),
    );
  }));

test("a hundred waits for keys end each with its own key", () =>
  withXenstore(async (xenstore) => {
    const over: number[] = [];
    const never = new AbortController().signal;
    const waits = Array.from(
      { length: 100 },
      (_, i) =>
        waitForXenstoreKey(0, `jitsu-test/${i}`, never).then(() =>
          over.push(i)
        ),
    );
    for (const i of [42, 7, 99]) {
      await xenstore.write(`${HOME}/${i}`, "1");
      await until(`the end of wait ${i}`, () => over.at(-1) === i);
    }
    assertEquals(over, [42, 7, 99]);
    for (let i = 0; i < 100; i++) {
      await xenstore.write(`${HOME}/${i}`, "1");
    }
    await Promise.all(waits);
  }));

test("a wait that is aborted rejects with the reason", async () => {
  const abort = new AbortController();
  const wait = waitForXenstoreKey(0, "jitsu-test/never", abort.signal);
  const reason = new Error("enough");
  setTimeout(() => abort.abort(reason), 50);
  assertEquals(await wait.catch((error) => error), reason);
  const again = waitForXenstoreKey(0, "jitsu-test/never", abort.signal);
  assertEquals(await again.catch((error) => error), reason);
});

Deno.test({
  name: "without a xenstore, the error says what to do",
  ignore: isDom0,
  fn: async () => {
    const error = await assertRejects(() => Xenstore.open(), XenstoreError);
    assertMatch(
      error.message,
      /^cannot (open the xenstore library; tried libxenstore\.so\.4 .*; install it with apt-get install libxenstore4 |connect to xenstore: this is not a Xen host; Jitsu has to run in dom0$)/,
    );
  },
});
