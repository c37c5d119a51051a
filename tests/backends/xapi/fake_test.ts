/** The fake XAPI against a client that it was not made for: Vates' xen-api, which drives real pools. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { createClient } from "xen-api";
import { until } from "../../until.ts";
import { FakeXapi, PASSWORD, USER } from "./fake/server.ts";

// deno-lint-ignore no-explicit-any -- xen-api has no types
type Client = any;

/** Runs a test with a pool and a client that is logged in and has read all of it. */
async function withClient(
  test: (fake: FakeXapi, client: Client) => Promise<void>,
  address = (fake: FakeXapi) => fake.url,
): Promise<void> {
  const fake = await FakeXapi.start({ hosts: 2 });
  const client: Client = createClient({
    url: address(fake),
    auth: { user: USER, password: PASSWORD },
    transport: "xml-rpc",
    debounce: 1,
    eventPollDelay: 10,
  });
  try {
    await client.connect();
    await client.objectsFetched;
    await test(fake, client);
  } finally {
    await client.disconnect();
    await until("logged out", () => fake.sessions === 0);
    await fake.close();
  }
}

// xen-api keeps its connections open for a while.
const loose = { sanitizeOps: false, sanitizeResources: false };

Deno.test(
  "xen-api logs in and reads the pool",
  loose,
  () =>
    withClient(async (fake, client) => {
      const ref = fake.pool.addVm({ name: "www", macs: ["0a:00:00:00:00:01"] });
      const vm = await client.getRecord("VM", ref);
      assertEquals([vm.name_label, vm.power_state], ["www", "Halted"]);
      assertEquals(client.pool.name_label, "fake");
    }),
);

Deno.test("xen-api follows a slave to its master", loose, () =>
  withClient(
    (fake, client) => {
      assertEquals(client._url.hostname, fake.hosts[0].address);
      return Promise.resolve();
    },
    (fake) => `http://${fake.hosts[1].address}:${fake.port}/`,
  ));

Deno.test(
  "xen-api starts and stops a VM by tasks and sees it happen in events",
  loose,
  () =>
    withClient(async (fake, client) => {
      const ref = fake.pool.addVm({ name: "www" });
      fake.pool.taskTime = 20;
      const seen = async (state: string) =>
        await until(
          state,
          () => client.getObject(ref, undefined)?.power_state === state,
        );
      await seen("Halted");
      await client.callAsync("VM.start", ref, false, false);
      await seen("Running");
      assert(Number(client.getObject(ref).domid) > 0);
      await client.callAsync("VM.suspend", ref);
      await seen("Suspended");
      await client.callAsync("VM.resume", ref, false, false);
      await seen("Running");
      await client.callAsync("VM.clean_shutdown", ref);
      await seen("Halted");
      assertEquals(client.getObject(ref).domid, "-1");
      await until(
        "tasks gone",
        () => fake.pool.db.entries("task").length === 0,
      );
    }),
);

Deno.test(
  "xen-api gets XAPI's errors, from calls and from tasks",
  loose,
  () =>
    withClient(async (fake, client) => {
      const ref = fake.pool.addVm({ name: "www", state: "Running" });
      const task = await assertRejects(() =>
        client.callAsync("VM.start", ref, false, false)
      ) as Client;
      assertEquals([task.code, task.params], [
        "VM_BAD_POWER_STATE",
        [ref, "halted", "running"],
      ]);
      const call = await assertRejects(() =>
        client.call("VM.get_record", "OpaqueRef:none")
      ) as Client;
      assertEquals(call.code, "HANDLE_INVALID");
      const count = await assertRejects(() =>
        client.call("VM.start", ref)
      ) as Client;
      assertEquals(count.code, "MESSAGE_PARAMETER_COUNT_MISMATCH");
      const method = await assertRejects(() =>
        client.call("VM.fly", ref)
      ) as Client;
      assertEquals(method.code, "MESSAGE_METHOD_UNKNOWN");
    }),
);

Deno.test(
  "xen-api logs in again when its session is over, and misses nothing",
  loose,
  () =>
    withClient(async (fake, client) => {
      const ref = fake.pool.addVm({ name: "www" });
      await until("seen", () => client.getObject(ref, undefined) !== undefined);
      fake.endSessions();
      fake.pool.become(ref, "Running");
      await client.call("VM.get_record", ref);
      await until(
        "Running",
        () => client.getObject(ref).power_state === "Running",
      );
    }),
);

Deno.test(
  "xen-api sees what comes and what goes",
  loose,
  () =>
    withClient(async (fake, client) => {
      const ref = fake.pool.addVm({ name: "www", state: "Running" });
      await until(
        "there",
        () => client.getObject(ref, undefined) !== undefined,
      );
      fake.pool.report(ref, { "0/ip": "10.0.0.5" });
      await until("metrics", () => {
        const { guest_metrics } = client.getObject(ref);
        return client.getObject(guest_metrics, undefined)?.networks["0/ip"] ===
          "10.0.0.5";
      });
      fake.pool.remove(ref);
      await until("gone", () => client.getObject(ref, undefined) === undefined);
    }),
);

Deno.test("xen-api is refused with a wrong password", loose, async () => {
  const fake = await FakeXapi.start();
  const client: Client = createClient({
    url: fake.url,
    auth: { user: USER, password: "wrong" },
    transport: "xml-rpc",
  });
  const error = await assertRejects(() => client.connect()) as Client;
  assertEquals(error.code, "SESSION_AUTHENTICATION_FAILED");
  await fake.close();
});

Deno.test("a malformed call gets HTML, as from XAPI", async () => {
  const fake = await FakeXapi.start();
  const response = await fetch(fake.url, { method: "POST", body: "<no/>" });
  assertEquals(response.status, 500);
  assert((await response.text()).startsWith("<html>"));
  await fake.close();
});
