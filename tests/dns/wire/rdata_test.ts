import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Type, typeName } from "../../../src/dns/wire/constants.ts";
import { decodeMessage, encodeMessage } from "../../../src/dns/wire/message.ts";
import { type Name, WireError } from "../../../src/dns/wire/name.ts";
import { hasDnspython, PYTHON } from "../../dnspython.ts";

/** What RDATA is made of: octets as they are, and names (`null`). */
type Part = number[] | null;

const zeros = (count: number) => Array<number>(count).fill(0);
const name = [null], two = [null, null];

/** RDATA of each type that has names in it and may have pointers, now or once. */
const POINTING: Record<number, Part[]> = {
  [Type.NS]: name,
  [Type.MD]: name,
  [Type.MF]: name,
  [Type.CNAME]: name,
  [Type.SOA]: [null, null, zeros(20)],
  [Type.MB]: name,
  [Type.MG]: name,
  [Type.MR]: name,
  [Type.PTR]: name,
  [Type.MINFO]: two,
  [Type.MX]: [[0, 10], null],
  [Type.RP]: two,
  [Type.AFSDB]: [[0, 1], null],
  [Type.RT]: [[0, 1], null],
  [Type.SIG]: [[0, 1, 8, 2, ...zeros(12), 1, 2], null, [1, 2, 3]],
  [Type.PX]: [[0, 1], null, null],
  [Type.NXT]: [null, [0x40, 1]],
  [Type.SRV]: [[0, 1, 0, 2, 0, 80], null],
  [Type.NAPTR]: [[0, 1, 0, 2, 1, 0x73, 2, 0x78, 0x79, 0], null],
};

/** Those of each type whose names are never compressed. */
const PLAIN: Record<number, Part[]> = {
  [Type.NSAP_PTR]: name,
  [Type.KX]: [[0, 1], null],
  [Type.A6]: [[64, ...zeros(8)], null],
  [Type.DNAME]: name,
  [Type.IPSECKEY]: [[10, 3, 2], null, [1, 2, 3]],
  [Type.RRSIG]: [[0, 1, 8, 2, ...zeros(12), 1, 2], null, [1, 2, 3]],
  [Type.NSEC]: [null, [0, 1, 0x40]],
  [Type.HIP]: [[2, 2, 0, 3, 9, 9, 8, 8, 8], null, null],
  [Type.TALINK]: two,
  [Type.SVCB]: [[0, 1], null, [0, 3, 0, 2, 1, 187]],
  [Type.HTTPS]: [[0, 1], null, [0, 3, 0, 2, 1, 187]],
  [Type.DSYNC]: [[0, 59, 1, 1, 187], null],
  [Type.LP]: [[0, 1], null],
  [Type.TKEY]: [null, zeros(8), [0, 3, 0, 0], zeros(4)],
  [Type.AMTRELAY]: [[10, 0x83], null],
};

const encoder = new TextEncoder();
const anyName: fc.Arbitrary<Name> = fc.array(
  fc.constantFrom("a", "db1", "db2", "afs", "corp", "example"),
  { minLength: 1, maxLength: 5 },
).map((labels) =>
  Uint8Array.of(
    ...labels.flatMap((each) => [each.length, ...encoder.encode(each)]),
    0,
  )
);

interface Plan {
  type: number;
  names: Name[];
  /** Whether each name is compressed where it can be: the owner first, then those of the RDATA. */
  compressed: boolean[];
}

const planOf = (types: number[], compressed: fc.Arbitrary<boolean>) =>
  fc.record({
    type: fc.constantFrom(...types),
    names: fc.array(anyName, { minLength: 3, maxLength: 3 }),
    compressed: fc.array(compressed, { minLength: 3, maxLength: 3 }),
  });

/** Writes a message as another server may have: any name points to the longest end of it that was written before. */
class Sender {
  readonly octets = [0, 1, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0];
  readonly #written = new Map<string, number>();

  constructor(plans: readonly Plan[]) {
    this.octets[7] = plans.length;
    this.#name(plans[0].names[0], false);
    this.octets.push(0, plans[0].type, 0, 1);
    for (const { type, names, compressed } of plans) {
      this.#name(names[0], compressed[0]);
      this.octets.push(type >> 8, type & 0xff, 0, 1, 0, 0, 0, 60, 0, 0);
      const start = this.octets.length;
      let at = 1;
      for (const part of POINTING[type] ?? PLAIN[type]) {
        if (part === null) this.#name(names[at], compressed[at++]);
        else this.octets.push(...part);
      }
      this.octets[start - 1] = this.octets.length - start;
    }
  }

  #name(name: Name, compressed: boolean): void {
    for (let at = 0; name[at] !== 0; at += 1 + name[at]) {
      const rest = name.subarray(at).toHex();
      const target = this.#written.get(rest);
      if (compressed && target !== undefined) {
        this.octets.push(0xc0 | target >> 8, target & 0xff);
        return;
      }
      if (target === undefined) this.#written.set(rest, this.octets.length);
      this.octets.push(...name.subarray(at, at + 1 + name[at]));
    }
    this.octets.push(0);
  }
}

/** RDATA with its names spelled out. */
function spelledOut({ type, names }: Plan): Uint8Array {
  let at = 1;
  return Uint8Array.from(
    (POINTING[type] ?? PLAIN[type]).flatMap((part) => part ?? [...names[at++]]),
  );
}

const types = (table: Record<number, Part[]>) => Object.keys(table).map(Number);
const anyPlans = fc.array(
  fc.oneof(
    planOf(types(POINTING), fc.boolean()),
    // The owner may be compressed in any type.
    planOf(types(PLAIN), fc.constant(false)).chain((plan) =>
      fc.boolean().map((owner) => ({
        ...plan,
        compressed: [owner, false, false],
      }))
    ),
  ),
  { minLength: 1, maxLength: 12 },
);

Deno.test("names in RDATA are spelled out, whatever was compressed, and keep their meaning when they are written again (RFC 3597 section 4)", () => {
  fc.assert(fc.property(anyPlans, (plans) => {
    const octets = Uint8Array.from(new Sender(plans).octets);
    const message = decodeMessage(octets);
    const again = decodeMessage(encodeMessage(message));
    for (const { answers } of [message, again]) {
      assertEquals(
        answers.map(({ name }) => name),
        plans.map((p) => p.names[0]),
      );
      assertEquals(answers.map(({ rdata }) => rdata), plans.map(spelledOut));
    }
  }));
});

Deno.test("a pointer in the RDATA of a type that knows none makes the message malformed (RFC 3597 section 4)", () => {
  for (const type of types(PLAIN)) {
    const names = ["db1.afs.corp", "db2.afs.corp", "db2.afs.corp"].map((text) =>
      Uint8Array.of(
        ...text.split(".").flatMap((each) => [
          each.length,
          ...encoder.encode(each),
        ]),
        0,
      )
    );
    const compressed = [false, true, true];
    const { octets } = new Sender([{ type, names, compressed }]);
    assertThrows(
      () => decodeMessage(Uint8Array.from(octets)),
      WireError,
      "does not allow it",
      typeName(type),
    );
  }
});

Deno.test("RDATA that ends within its fields is malformed", () => {
  for (const type of [...types(POINTING), ...types(PLAIN)]) {
    const names = Array<Name>(3).fill(Uint8Array.of(1, 0x61, 0));
    const plan = { type, names, compressed: [false, false, false] };
    const { octets } = new Sender([plan]);
    const rdata = spelledOut(plan);
    const size = octets.length - rdata.length - 2;
    const message = Uint8Array.from(octets);
    message[size + 1] = rdata.lastIndexOf(0x61) + 1; // up to the root of the last name
    assertThrows(
      () => decodeMessage(message.subarray(0, size + 2 + message[size + 1])),
      WireError,
      "runs past its end",
      typeName(type),
    );
  }
});

Deno.test({
  name:
    "what is encoded of a message means to dnspython what the message did, for every type with names",
  ignore: !hasDnspython,
  async fn() {
    const messages = fc.sample(anyPlans, 400).map((plans) =>
      Uint8Array.from(new Sender(plans).octets)
    );
    // A type that dnspython does not know is octets to it: with pointers those mean something else.
    const script = `
import sys, dns.message, dns.rdata
for line in sys.stdin:
    before, after = (dns.message.from_wire(bytes.fromhex(each), one_rr_per_rrset=True) for each in line.split())
    assert len(before.answer) == len(after.answer), line
    for old, new in zip(before.answer, after.answer):
        known = dns.rdata.get_rdata_class(old.rdclass, old.rdtype) is not dns.rdata.GenericRdata
        assert old.name == new.name and (not known or old.to_text() == new.to_text()), (old, new)
    print("same")
`;
    const python = new Deno.Command(PYTHON, {
      args: ["-c", script],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const writer = python.stdin.getWriter();
    const lines = messages.map((octets) =>
      `${octets.toHex()} ${encodeMessage(decodeMessage(octets)).toHex()}\n`
    );
    const written = writer.write(encoder.encode(lines.join("")))
      .then(() => writer.close());
    const { code, stdout } = await python.output();
    await written;
    assertEquals(code, 0);
    const said = new TextDecoder().decode(stdout).trim().split("\n");
    assertEquals(said.length, messages.length);
  },
});
