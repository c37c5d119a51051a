import { assert, assertEquals, assertRejects } from "@std/assert";
import { collectLog } from "../collect_log.ts";
import { elapse } from "../elapse.ts";
import { FakeTime } from "@std/testing/time";
import {
  type Backend,
  BackendError,
  type Machine,
  type MachineConfig,
} from "../../src/backends/backend.ts";
import { Registry, RegistryError } from "../../src/fleet/fleet.ts";
import { HEADER_SIZE } from "../../src/dns/wire/constants.ts";
import { hashName, parseName } from "../../src/dns/wire/name.ts";
import { Zone } from "../../src/dns/zone/zone.ts";
import { Summoner } from "../../src/fleet/summoner.ts";
import { FakeMachine } from "../summon/fake_machine.ts";
import { Outcome, unikernel } from "../summon/set_up.ts";

const UUID = "6e696eb7-09f4-484c-981b-8d34efa0304d";

/** Machines by their id, which is the UUID or the name, but for vm1 whose UUID is known; each call gives a handle of its own, as libvirt's does. */
class FakeBackend implements Backend {
  readonly handles: FakeMachine[] = [];
  readonly released: FakeMachine[] = [];

  async machine({ name, uuid }: MachineConfig): Promise<Machine> {
    await Promise.resolve();
    if (name === "unknown") throw new BackendError("no such machine");
    const id = uuid ?? (name === "vm1" ? UUID : name);
    const handle = Object.assign(new FakeMachine(id), {
      release: () => this.released.push(handle),
    });
    this.handles.push(handle);
    return handle;
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

class Stage implements Disposable {
  readonly time = new FakeTime(0);
  readonly backend = new FakeBackend();
  readonly zone = new Zone(1);
  readonly summoner = new Summoner({ now: Date.now });
  readonly registry = new Registry(
    this.backend,
    this.zone,
    this.summoner,
    false,
  );

  /** The addresses behind a name. */
  addresses(name: string): string[] {
    return this.hosts(name).flatMap(({ addresses }) => addresses);
  }
  hosts(name: string) {
    const wire = parseName(name);
    const packet = new Uint8Array(HEADER_SIZE + wire.length);
    packet.set(wire, HEADER_SIZE);
    return this.zone.find(packet, hashName(wire))?.hosts.all ?? [];
  }
  [Symbol.dispose](): void {
    this.summoner.close();
    this.time.restore();
  }
}

const WWW = unikernel({ name: "www" });
const OTHER = { name: "www", addresses: ["127.0.0.9"] };

Deno.test("a unikernel that is put in is served, one that is removed is not", async () => {
  using stage = new Stage();
  assertEquals(await stage.registry.put(WWW), "added");
  assertEquals(stage.addresses("www.example.org"), ["127.0.0.1"]);
  assertEquals(await stage.registry.put({ ...WWW }), "unchanged");
  assertEquals(await stage.registry.remove("www"), WWW);
  assertEquals(stage.addresses("www.example.org"), []);
  assertEquals([...stage.registry.all()], []);
  await assertRejects(
    () => stage.registry.remove("www"),
    RegistryError,
    "there is no unikernel www",
  );
  await stage.time.runMicrotasks();
  assertEquals(stage.backend.released, stage.backend.handles);
});

Deno.test("another configuration of a running machine changes what it is, and does not touch it", async () => {
  using stage = new Stage();
  await stage.registry.put(WWW);
  const [handle] = stage.backend.handles;
  const www = stage.registry.get("www")!;
  www.summon("a test");
  await stage.time.runMicrotasks();
  assert(www.ready);
  stage.hosts("www.example.org")[0].usage.note(0, 0);

  const changed = unikernel({
    ...OTHER,
    ttl: 5,
    dns: ["www.example.org", "example.org"],
  });
  assertEquals(await stage.registry.put(changed), "changed");
  assert(stage.registry.get("www") === www);
  assertEquals([www.ready, handle.calls], [true, ["start"]]);
  assertEquals(stage.addresses("example.org"), ["127.0.0.9"]);
  assertEquals(stage.addresses("www.example.org"), ["127.0.0.9"]);
  assertEquals([...www.usage], [
    ["www.example.org", { requests: 1, lastRequest: 0 }],
    ["example.org", { requests: 0, lastRequest: -Infinity }],
  ]);
  assertEquals(stage.backend.handles.length, 1);

  await elapse(stage.time, 59_000);
  assertEquals(handle.calls, ["start"], "answers with the old TTL are good");
  await elapse(stage.time, 1000);
  assertEquals(handle.calls, ["start", "destroy"], "it goes by its new TTL");
});

Deno.test("another handle of the same machine takes the place of the old one", async () => {
  using stage = new Stage();
  await stage.registry.put(WWW);
  const www = stage.registry.get("www")!;
  const keys = { suspend: "disk" };
  const changed = unikernel({ name: "www", machine: { name: "www", keys } });
  assertEquals(await stage.registry.put(changed), "changed");
  const [old, handle] = stage.backend.handles;
  assert(stage.registry.get("www") === www);
  assertEquals(stage.backend.released, [old]);
  assertEquals(old.onStateChange, undefined);
  handle.become("running");
  await stage.time.runMicrotasks();
  assertEquals(www.state, "ready");
});

Deno.test("a unikernel is changed where any part of what its keys mean is another, and only then", async () => {
  using stage = new Stage();
  const withDisk = (readOnly: boolean, memory = 64) =>
    unikernel({
      name: "www",
      machine: {
        name: "www",
        keys: { memory, cmdline: undefined, disk: [{ file: "a", readOnly }] },
      },
    });
  await stage.registry.put(withDisk(false));
  const before = stage.backend.handles.length;
  assertEquals(await stage.registry.put(withDisk(false)), "unchanged");
  assertEquals(stage.backend.handles.length, before);
  assertEquals(await stage.registry.put(withDisk(true)), "changed");
  assertEquals(await stage.registry.put(withDisk(true, 65)), "changed");
  assertEquals(stage.backend.handles.length, before + 2);
});

Deno.test("another machine under the same name is served at once, and whoever waits for the old one is answered", async () => {
  using stage = new Stage();
  await stage.registry.put(WWW);
  const old = stage.registry.get("www")!;
  const [machine] = stage.backend.handles;
  machine.takes.start = 1000;
  const waiting = new Outcome(old.summon("a test"));
  await elapse(stage.time, 1);

  const uuid = UUID;
  const keys = {};
  const changed = unikernel({ ...OTHER, machine: { name: "www", uuid, keys } });
  assertEquals(await stage.registry.put(changed), "changed");
  assertEquals(stage.addresses("www.example.org"), ["127.0.0.9"]);
  assert(stage.registry.get("www") !== old);
  assertEquals(waiting.state, "pending");
  await elapse(stage.time, 1000);
  assertEquals(waiting.state, "resolved");
  assertEquals(stage.backend.released, [machine]);
  assertEquals(machine.calls, ["start"], "it is left running");
});

Deno.test("whoever waits for a unikernel that is removed is answered, and it can be added again after that", async () => {
  using stage = new Stage();
  await stage.registry.put(WWW);
  const [machine] = stage.backend.handles;
  machine.takes.start = 1000;
  const waiting = new Outcome(stage.registry.get("www")!.summon("a test"));
  await elapse(stage.time, 1);
  await stage.registry.remove("www");
  const again = stage.registry.put(WWW);
  await elapse(stage.time, 998);
  assertEquals([waiting.state, stage.backend.handles.length], ["pending", 1]);
  await elapse(stage.time, 1);
  assertEquals(waiting.state, "resolved");
  assertEquals(await again, "added");
});

Deno.test("that use_synjitsu is in vain is told of each that is put in", async () => {
  using stage = new Stage();
  const lines = collectLog("jitsu");
  await stage.registry.put({ ...WWW, useSynjitsu: true });
  assert(
    lines.includes("WARN www: use_synjitsu has no effect without --synjitsu"),
  );
});

Deno.test("a unikernel that is removed is stopped first where that is asked for", async () => {
  using stage = new Stage();
  await stage.registry.put(WWW);
  const [machine] = stage.backend.handles;
  await stage.registry.get("www")!.summon("a test");
  await stage.registry.remove("www", "removed by a test");
  assertEquals(machine.calls, ["start", "destroy"]);
});

Deno.test("a unikernel that cannot be served changes nothing", async () => {
  using stage = new Stage();
  const uuid = UUID;
  const keys = {};
  const machine = { name: "www", uuid, keys };
  await stage.registry.put({ ...WWW, machine });
  await assertRejects(
    () => stage.registry.put(unikernel({ name: "unknown" })),
    BackendError,
    "no such machine",
  );
  await assertRejects(
    () =>
      stage.registry.put(unikernel({ name: "web", machine: { ...machine } })),
    RegistryError,
    `its machine, ${uuid}, is that of www too: give all its names to one of the two`,
  );
  await assertRejects(() =>
    stage.registry.put(
      unikernel({ name: "www", machine: { name: "unknown", keys } }),
    ), BackendError);
  assertEquals([...stage.registry.all()].length, 1);
  assertEquals(stage.addresses("www.example.org"), ["127.0.0.1"]);
  assertEquals(stage.addresses("web.example.org"), []);
});

Deno.test("two unikernels are never one machine, whatever led to it, also when both come at once", async () => {
  const alias = unikernel({
    name: "alias",
    machine: { name: "alias", uuid: UUID, keys: {} },
  });
  const vm1 = unikernel({ name: "vm1" });
  for (const [first, second] of [[vm1, alias], [alias, vm1]]) {
    using stage = new Stage();
    const outcomes = await Promise.allSettled(
      [first, second].map((each) => stage.registry.put(each)),
    );
    assertEquals(outcomes.map(({ status }) => status), [
      "fulfilled",
      "rejected",
    ]);
    await assertRejects(
      () => stage.registry.put(second),
      RegistryError,
      `its machine, ${UUID}, is that of ${first.name} too`,
    );
    assertEquals(
      stage.backend.released,
      stage.backend.handles.slice(1),
      "what was found in vain is let go of",
    );
    await stage.registry.remove(first.name);
    assertEquals(await stage.registry.put(second), "added");
  }
});

Deno.test("a unikernel that turns to another's machine is refused and keeps its own", async () => {
  using stage = new Stage();
  await stage.registry.put(unikernel({ name: "vm1" }));
  await stage.registry.put(WWW);
  const machine = { name: "www", uuid: UUID, keys: {} };
  await assertRejects(
    () => stage.registry.put({ ...WWW, machine }),
    RegistryError,
    "is that of vm1 too",
  );
  assertEquals(stage.registry.get("www")!.unikernel, WWW);
  await stage.registry.remove("vm1");
  assertEquals(await stage.registry.put({ ...WWW, machine }), "changed");
});

Deno.test("a machine that could not be added belongs to nobody", async () => {
  using stage = new Stage();
  const { machine } = stage.backend;
  stage.backend.machine = async (config) => {
    const found = await machine.call(stage.backend, config);
    stage.backend.handles.at(-1)!.fails.state = ["no such state"];
    return found;
  };
  await assertRejects(() => stage.registry.put(WWW), BackendError);
  stage.backend.machine = machine;
  assertEquals(await stage.registry.put(WWW), "added");
});
