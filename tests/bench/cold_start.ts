/**
 * What Jitsu adds to a cold start: the time from query to answer with `-d 0`, beside a bare virDomainCreate of the same
 * domain. On libvirt's test driver, where creating takes next to nothing; inside the QEMU sandbox on real guests.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program that prints results
import { Jitsu } from "../e2e/harness.ts";
import { inSandbox, QEMU_URI, QemuRig } from "../e2e/qemu/rig.ts";
import { BareLibvirt } from "./bare_libvirt.ts";
import { median, ms, timeQuery } from "./measure.ts";

function report(
  what: string,
  bare: readonly number[],
  query: readonly number[],
): void {
  const [create, answer] = [median(bare), median(query)];
  console.log(
    `cold start, ${what}: query to answer ${ms(answer)}, virDomainCreate ${
      ms(create)
    }: ` +
      `${ms(answer - create)} added, ${
        (answer / create).toFixed(3)
      } times (medians of ${query.length})`,
  );
}

/** Each domain once, so that every query is cold; the test driver's state is of one process alone. */
async function testDriver(count: number): Promise<void> {
  const file = await Deno.makeTempFile({ suffix: ".xml" });
  const names = Array.from({ length: count }, (_, i) => `vm${i}`);
  const domain = (name: string) =>
    `<domain type='test'><name>${name}</name><memory>8192</memory><os><type>hvm</type></os></domain>`;
  // Defined off: the test driver runs what a file lists, unless it says otherwise.
  const off = (name: string) =>
    domain(name).replace(
      "</os>",
      "</os><test:runstate xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>5</test:runstate>",
    );
  await Deno.writeTextFile(file, `<node>${names.map(off).join("")}</node>`);
  try {
    const uri = `test://${file}`;
    const bare = new BareLibvirt(uri);
    const configs = names.map((name) =>
      `dns=${name}.test,ip=192.0.2.1,name=${name}`
    );
    await using jitsu = await Jitsu.start(
      ...["-c", uri, "-d", "0", "-f", "0.0.0.0"],
      ...["--start-limit", String(count)],
      ...configs,
    );
    const created: number[] = [], answered: number[] = [];
    for (const name of names) {
      created.push(bare.timeCreate(name));
      answered.push(await timeQuery(jitsu, `${name}.test`));
    }
    // The first few pay for what is compiled on first use.
    report("test driver", created.slice(5), answered.slice(5));
  } finally {
    await Deno.remove(file);
  }
}

async function qemu(rounds: number): Promise<void> {
  await using rig = await QemuRig.start({ guests: 1 });
  const [{ name, ip }] = rig.guests;
  const bare = new BareLibvirt(QEMU_URI);
  await using jitsu = await Jitsu.start(
    ...["-c", QEMU_URI, "-d", "0"],
    `dns=${name}.test,ip=${ip},name=${name}`,
  );
  const created: number[] = [], answered: number[] = [];
  for (let round = 0; round < rounds; round++) {
    let from = jitsu.log.length;
    created.push(bare.timeCreate(name));
    await jitsu.logged(/ready/, from);
    from = jitsu.log.length;
    bare.destroy(name);
    await jitsu.logged(/: off/, from);
    answered.push(await timeQuery(jitsu, `${name}.test`));
    from = jitsu.log.length;
    bare.destroy(name);
    await jitsu.logged(/: off/, from);
  }
  report("QEMU guest", created, answered);
}

if (inSandbox) await qemu(5);
else await testDriver(105);
