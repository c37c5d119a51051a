import { assertEquals, assertRejects } from "@std/assert";
import { findServed, type Given, storeGiven } from "../../src/fleet/stored.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { StoreError } from "../../src/store/store.ts";
import type { Unikernel } from "../../src/summon/unikernel.ts";
import { statistics } from "../store/contract.ts";
import { unikernel } from "../summon/set_up.ts";

const change = { time: 0, origin: "operator", reason: "" } as const;

/**
 * A store with these unikernels: their specs are their names and UUIDs. `bad` is one that cannot be read; those whose
 * names begin with `file` are of a configuration file.
 */
async function stored(...specs: string[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (const spec of specs) {
    const [name, backend = "process"] = spec.split("@");
    await store.configure({
      name: name.split(" ")[0],
      backend,
      spec,
      fromFile: spec.startsWith("file"),
    }, change);
  }
  return store;
}

function named(spec: string): Unikernel {
  const [name, uuid] = spec.split("@")[0].split(" ");
  const machine = { name, uuid, keys: {} };
  return unikernel({ name, machine, spec, fromFile: spec.startsWith("file") });
}

const read = (spec: string) =>
  spec === "bad" ? { problems: ["key x is unknown"] } : named(spec);

/** What is given to Jitsu, with a configuration file if one is said to be there. */
function given(specs: string[], config?: string): Given {
  return { unikernels: specs.map(named), config, backend: "process" };
}

/** What is served at a start, and stored then. */
async function start(store: MemoryStore, given: Given) {
  const found = await findServed(store, given, read);
  await storeGiven(store, found, given);
  return found.served;
}

async function namesOf(store: MemoryStore, ...specs: string[]) {
  const { served } = await findServed(store, given(specs), read);
  return served.map(({ unikernel }) => unikernel.spec);
}

Deno.test("what is given adds to what is stored, or takes its place", async () => {
  const store = await stored("a", "b", "c");
  assertEquals(await namesOf(store), ["a", "b", "c"]);
  assertEquals(await namesOf(store, "d", "b 1"), ["a", "b 1", "c", "d"]);
});

Deno.test("statistics stay with their unikernel, also with one that is replaced", async () => {
  const store = await stored("a", "b");
  await store.count("a", statistics({ starts: 1 }));
  await store.count("b", statistics({ starts: 2 }));
  const { served } = await findServed(store, given(["b 1"]), read);
  assertEquals(served.map(({ statistics }) => statistics?.starts), [1, 2]);
});

Deno.test("all that cannot be served is told at once, with what to do", async () => {
  const store = await stored("a@libvirt", "bad", "c 1", "d@xapi");
  const error = await assertRejects(
    () => namesOf(store, "e 1"),
    StoreError,
  );
  assertEquals(error.message.split("\n"), [
    "a is stored for the backend libvirt, and this is process: choose it with --backend, or name another --persistdb",
    "bad is stored with a CONFIG that cannot be used (key x is unknown): give its CONFIG anew",
    "d is stored for the backend xapi, and this is process: choose it with --backend, or name another --persistdb",
    "e and c are the same machine: both are 1",
  ]);
  assertEquals(
    await namesOf(await stored("a@libvirt", "bad"), "a", "bad 1"),
    ["a", "bad 1"],
    "what is replaced need not be readable",
  );
});

Deno.test("what is given is stored, and noted only where that changes anything", async () => {
  const store = await stored("a", "b", "c@libvirt");
  await start(store, given(["a", "b 1", "c", "d"]));
  assertEquals(
    (await store.history(10)).slice(3).map(({ unikernel, from, to }) => ({
      unikernel,
      from,
      to,
    })),
    [
      { unikernel: "b", from: "b", to: "b 1" },
      { unikernel: "c", from: "c@libvirt", to: "c" },
      { unikernel: "d", from: undefined, to: "d" },
    ],
  );
  assertEquals(
    (await store.unikernels()).map(({ backend }) => backend),
    ["process", "process", "process", "process"],
  );
});

Deno.test("what the configuration file has no longer is gone, whatever it was, and all else stays", async () => {
  const specs = ["a", "file1", "file2@libvirt", "file3"];
  const store = await stored(...specs);
  const served = await start(store, given(["file3", "b"], "jitsu.toml"));
  assertEquals(served.map(({ unikernel }) => unikernel.name), [
    "a",
    "file3",
    "b",
  ]);
  assertEquals((await store.unikernels()).map(({ name }) => name), [
    "a",
    "file3",
    "b",
  ]);
  assertEquals(
    (await store.history(10)).slice(specs.length).map((
      { unikernel, reason },
    ) => [unikernel, reason]),
    [
      ["b", "CONFIG of the command line"],
      ["file1", "gone from the configuration file"],
      ["file2", "gone from the configuration file"],
    ],
  );
});

Deno.test("without a configuration file, what the store has of one is served", async () => {
  const store = await stored("file1", "file2");
  assertEquals(await namesOf(store, "file2"), ["file1", "file2"]);
  await start(store, given(["b"]));
  assertEquals((await store.unikernels()).length, 3);
});

Deno.test("what was added by hand is of the file once that has it", async () => {
  const store = new MemoryStore();
  const file = named("file");
  await store.configure(
    { ...file, backend: "process", fromFile: false },
    change,
  );
  await start(store, given(["file"], "jitsu.toml"));
  await start(store, given([], "jitsu.toml"));
  assertEquals(await store.unikernels(), []);
});
