import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { answerTo, questionFor } from "../../src/catch/answers.ts";
import { forwardable, readFrame } from "../../src/wire/frames.ts";
import { FRAMES, hex, OTHERS } from "./frames.ts";

const octets = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length });
const mac = octets(6).filter((mac) => mac.some((octet) => octet !== 0));
/** Addresses that may be asked for: not zero, and no multicast. */
const unicast = (length: number) =>
  octets(length).map((octets) => {
    octets[0] = 0x20;
    return octets;
  });
const family = fc.constantFrom(4, 16);

Deno.test("frames as the kernel sends them are read", () => {
  const [asker, client] = [hex("525400009902"), hex("0a630002")];
  assertEquals(readFrame(FRAMES.arpRequest), [
    { kind: "claim", address: client, mac: asker },
    {
      kind: "question",
      target: hex("0a630003"),
      address: client,
      mac: asker,
    },
  ]);
  assertEquals(readFrame(FRAMES.arpReply), [
    { kind: "claim", address: hex("0a630003"), mac: hex("525400009903") },
  ]);
  const fd99 = (last: string) => hex("fd99" + "00".repeat(13) + last);
  assertEquals(readFrame(FRAMES.solicitation), [
    { kind: "claim", address: fd99("02"), mac: asker },
    {
      kind: "question",
      target: fd99("03"),
      address: fd99("02"),
      mac: asker,
    },
  ]);
  assertEquals(readFrame(FRAMES.advertisement), [
    { kind: "claim", address: fd99("03"), mac: hex("525400009903") },
  ]);
  for (const frame of [FRAMES.syn4, FRAMES.syn6]) {
    const [syn, ...more] = readFrame(frame);
    assertEquals(more, []);
    assert(syn.kind === "syn");
    assertEquals(syn.mac, hex("525400009903"));
  }
});

Deno.test("what is no first segment is not read as one", () => {
  const flagsAt = 14 + 20 + 13;
  for (const flags of [0x12, 0x10, 0x14, 0x04, 0x03, 0x00]) {
    const frame = FRAMES.syn4.slice();
    frame[flagsAt] = flags;
    assertEquals(readFrame(frame), [], `flags ${flags}`);
  }
  const fragment = FRAMES.syn4.slice();
  fragment[14 + 6] |= 0x20; // more fragments
  fragment[14 + 10] -= 0x20; // which its header's checksum agrees with
  assertEquals(readFrame(fragment), []);
  for (const [name, frame] of Object.entries(OTHERS)) {
    assertEquals(readFrame(frame), [], name);
  }
});

Deno.test("a frame that is cut off anywhere is none, and one that was changed anywhere does no harm", () => {
  for (const [name, frame] of Object.entries(FRAMES)) {
    for (let length = 0; length < frame.length; length++) {
      const cut = readFrame(frame.slice(0, length));
      // Ethernet pads short frames, which is not part of what they carry.
      if (cut.length > 0) assertEquals(cut, readFrame(frame), name);
    }
  }
  const use = (frame: Uint8Array) => {
    const isSyn = readFrame(frame).some(({ kind }) => kind === "syn");
    if (isSyn) forwardable(frame, new Uint8Array(6));
  };
  const frame = fc.constantFrom(...Object.values(FRAMES));
  const change = fc.record({ at: fc.nat(100), to: fc.nat(255) });
  fc.assert(
    fc.property(frame, fc.array(change), fc.nat(120), (frame, changes, end) => {
      const changed = frame.slice(0, end);
      for (const { at, to } of changes) {
        if (at < changed.length) changed[at] = to;
      }
      use(changed);
    }),
    { numRuns: 5000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (frame) => {
      use(frame);
    }),
    { numRuns: 5000 },
  );
});

Deno.test("an answer claims the address for the machine, from the interface to whoever asked", () => {
  fc.assert(
    fc.property(
      family.chain((length) => fc.tuple(unicast(length), unicast(length))),
      fc.tuple(mac, mac, mac),
      ([target, address], [asker, machine, own]) => {
        const answer = answerTo(
          { kind: "question", target, address, mac: asker },
          machine,
          own,
        );
        assertEquals(answer.subarray(0, 6), asker);
        assertEquals(answer.subarray(6, 12), own);
        assertEquals(readFrame(answer), [
          { kind: "claim", address: target, mac: machine },
        ]);
      },
    ),
  );
});

Deno.test("a question asks for the address, and is read as the asker's", () => {
  fc.assert(
    fc.property(
      family.chain((length) => fc.tuple(unicast(length), unicast(length))),
      mac,
      ([target, address], own) => {
        fc.pre(target.toHex() !== address.toHex());
        assertEquals(readFrame(questionFor(target, address, own)), [
          { kind: "claim", address, mac: own },
          { kind: "question", target, address, mac: own },
        ]);
      },
    ),
  );
});

Deno.test("whoever is about to take an address is told over IPv6 by multicast", () => {
  const target = hex("fd99" + "00".repeat(13) + "03");
  const answer = answerTo(
    {
      kind: "question",
      target,
      address: new Uint8Array(16),
      mac: hex("525400009902"),
    },
    hex("525400009903"),
    hex("525400009901"),
  );
  assertEquals(answer.subarray(0, 6), hex("333300000001"));
  assertEquals(answer[14 + 40 + 4], 0x20); // not solicited, RFC 4861 section 7.2.4
  assertEquals(readFrame(answer).length, 1);
});

/** What RFC 9293 section 3.1 has summed up, word by word; the segment begins at `at`. */
function tcpSum(frame: Uint8Array, at: number): number {
  const words = [...frame.subarray(at === 34 ? 26 : 22)];
  let sum = 6 + frame.length - at;
  for (let i = 0; i < words.length; i += 2) {
    sum += words[i] * 256 + words[i + 1];
  }
  while (sum > 0xffff) sum = sum % 0x10000 + Math.floor(sum / 0x10000);
  return sum;
}

Deno.test("a SYN goes on with its checksum as it is, completed where that was left to the network card, and not where it is wrong", () => {
  const own = hex("525400009901");
  for (
    const [frame, at] of [
      [FRAMES.syn4, 14 + 20],
      [FRAMES.syn6, 14 + 40],
    ] as const
  ) {
    const whole = forwardable(frame, own)!;
    assertEquals(whole.subarray(0, 6), frame.subarray(0, 6));
    assertEquals(whole.subarray(6, 12), own);
    assertEquals(whole.subarray(12, at + 16), frame.subarray(12, at + 16));
    assertEquals(whole.subarray(at + 18), frame.subarray(at + 18));
    assertEquals(tcpSum(whole, at), 0xffff);
    assertEquals(forwardable(whole, own), whole);

    const wrong = frame.slice();
    wrong[at + 17] ^= 1;
    assertEquals(forwardable(wrong, own), undefined);
    wrong.set(whole.subarray(at));
    wrong[at + 4] ^= 1;
    assertEquals(forwardable(wrong, own), undefined);
  }
});
