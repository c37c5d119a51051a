/**
 * A fake pool in a process of its own, with COUNT VMs called vm0, vm1, ...: `deno run -A main.ts COUNT [PORT]` prints
 * its URL.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program that prints where it is
import { FakeXapi } from "./server.ts";

const fake = await FakeXapi.start({ port: Number(Deno.args[1] ?? 0) });
for (let i = 0; i < Number(Deno.args[0]); i++) {
  fake.pool.addVm({ name: `vm${i}` });
}
console.log(fake.url);
