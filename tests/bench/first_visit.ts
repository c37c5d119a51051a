/**
 * What the first visitor of a guest that is off waits for, in each way that Jitsu has with it: `curl` by name, from beside
 * the guest's host, at the same instant as the query is cold. Beside it stands when the guest itself listened in the same
 * boot, and what a visit to it takes when it runs. In the QEMU sandbox; the argument is the number of visits in each way.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program that prints results
import type { Visit } from "../e2e/curl.ts";
import { BRIDGE, QemuRig } from "../e2e/qemu/rig.ts";
import { run } from "../run.ts";
import {
  forgetGuest,
  listening,
  neighbour,
  startForVisits,
  useNameServer,
  visit,
} from "../e2e/qemu/visit.ts";
import { median, printRow } from "./measure.ts";

const ROUNDS = Number(Deno.args[0] ?? 5);
/** An interface where no guest is: what is asked for there is nobody's first connection. */
const ELSEWHERE = "br-elsewhere";
const WAYS: [what: string, options: string[]][] = [
  ["late answer", []],
  ["late answer, --catch", [`--catch=${BRIDGE}`]],
  ["early answer, nothing held", ["--answer=early", `--catch=${ELSEWHERE}`]],
  ["early answer, --catch", ["--answer=early", `--catch=${BRIDGE}`]],
];

const cell = (value: number) => `${value.toFixed(0)} ms`;

await using rig = await QemuRig.start({ guests: 1 });
const [guest] = rig.guests;
await useNameServer();
await run(["ip", "link", "add", ELSEWHERE, "type", "bridge"]);
await using other = await neighbour();
printRow(
  `first visits to a QEMU guest, medians of ${ROUNDS}:`,
  ...["listening", "answered", "first byte", "between", "most", "warm", "lost"],
);
for (const [what, options] of WAYS) {
  await using jitsu = await startForVisits(guest, ...options);
  const seen: (Visit & { listening: number })[] = [];
  const warm: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const from = jitsu.log.length;
    const visiting = visit(guest, 4, other.run);
    const floor = await listening(guest).catch(async (error) => {
      console.error(await rig.log(), jitsu.log, await visiting);
      throw error;
    });
    const visited = await visiting;
    seen.push({ ...visited, listening: floor });
    await jitsu.logged(/summon: .* ready/, from); // also where the visit was lost
    const again = await visit(guest, 4, other.run);
    if (again.firstByte !== undefined) warm.push(again.firstByte);
    await forgetGuest(jitsu, guest, [other]);
  }
  const got = seen.filter(({ firstByte }) => firstByte !== undefined);
  const between = got.map((each) => each.firstByte! - each.listening);
  printRow(
    what,
    ...[
      median(seen.map((each) => each.listening)),
      median(seen.map((each) => each.answered)),
      median(got.map((each) => each.firstByte!)),
      median(between),
      Math.max(...between),
      median(warm),
    ].map(cell),
    `${seen.length - got.length}`,
  );
}
