import { assertEquals, assertRejects } from "@std/assert";
import { findServed, storeGiven } from "../../src/daemon/stored.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { StoreError } from "../../src/store/store.ts";
import type { Unikernel } from "../../src/summon/unikernel.ts";
import { statistics } from "../store/contract.ts";
import { unikernel } from "../summon/set_up.ts";

const change = { time: 0, origin: "operator", reason: "" } as const;

/** A store with these unikernels: their specs are their names and UUIDs, `bad` is one that cannot be read. */
async function stored(...specs: string[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (const spec of specs) {
    const [name, backend = "process"] = spec.split("@");
    await store.configure({ name: name.split(" ")[0], backend, spec }, change);
  }
  return store;
}

function named(spec: string): Unikernel {
  const [name, uuid] = spec.split("@")[0].split(" ");
  const machine = { name, uuid, keys: new Map() };
  return unikernel({ name, machine, spec });
}

const read = (spec: string) =>
  spec === "bad" ? { problems: ["key x is unknown"] } : named(spec);

async function namesOf(store: MemoryStore, ...given: string[]) {
  const served = await findServed(store, given.map(named), "process", read);
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
  const served = await findServed(store, [named("b 1")], "process", read);
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
  await storeGiven(store, ["a", "b 1", "c", "d"].map(named), "process");
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
