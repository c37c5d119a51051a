/**
 * A fake pool in a process of its own, for measurements: `deno run -A main.ts COUNT` prints its URL. Its VMs are called
 * vm0, vm1, ...
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program that prints where it is
import { FakeXapi } from "./server.ts";

const fake = await FakeXapi.start();
for (let i = 0; i < Number(Deno.args[0]); i++) {
  fake.pool.addVm({ name: `vm${i}` });
}
console.log(fake.url);
