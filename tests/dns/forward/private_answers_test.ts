import { assert, assertEquals } from "@std/assert";
import {
  type PrivateAnswers,
  withheld,
} from "../../../src/dns/forward/private_answers.ts";
import { Route } from "../../../src/dns/forward/routes.ts";
import { Type } from "../../../src/dns/wire/constants.ts";
import { decodeMessage, type Message } from "../../../src/dns/wire/message.ts";
import { type Name, parseName, ROOT } from "../../../src/dns/wire/name.ts";
import { clientQuery } from "../queries.ts";
import { answer } from "../upstream.ts";

const PUBLIC = [{ address: "9.9.9.9", port: 53 }];
const HOUSE = { address: "192.168.0.1", port: 53 };
const AUTO: PrivateAnswers = { when: "auto", exceptions: [] };
const fallback = routeOf(ROOT);

function routeOf(domain: Name): Route {
  return new Route(domain, undefined, () => false);
}

const queryFor = (name: string, type?: number) =>
  decodeMessage(clientQuery(name, type).packet);
const leadingTo = (address: string, name = "www.example") =>
  answer(queryFor(name), address);

/** A reply whose one record is of that type. */
function replyWith(type: number, rdata: number[]): Message {
  const query = queryFor("www.example", type);
  const { name } = query.questions[0];
  return answer(query, undefined, {
    answers: [{ name, type, class: 1, ttl: 60, rdata: Uint8Array.from(rdata) }],
  });
}

Deno.test("public servers may not lead into the house, and a server in the house may", () => {
  const reply = leadingTo("10.0.0.1");
  assert(withheld(AUTO, reply, fallback, PUBLIC));
  assertEquals(withheld(AUTO, reply, fallback, [...PUBLIC, HOUSE]), undefined);
  assertEquals(
    withheld(AUTO, leadingTo("192.0.2.1"), fallback, PUBLIC),
    undefined,
  );
});

Deno.test("with refuse no server may, and with allow all of them", () => {
  const reply = leadingTo("127.0.0.1");
  const having = (when: PrivateAnswers["when"]) =>
    withheld({ when, exceptions: [] }, reply, fallback, [HOUSE]);
  assert(having("refuse"));
  assertEquals(having("allow"), undefined);
});

Deno.test("a server that was given for a domain may, and so may names of the exceptions", () => {
  const policy: PrivateAnswers = {
    when: "refuse",
    exceptions: [parseName("corp.example")],
  };
  const reply = leadingTo("10.0.0.1");
  assertEquals(
    withheld(policy, reply, routeOf(parseName("example")), PUBLIC),
    undefined,
  );
  for (const name of ["corp.example", "WWW.Corp.Example"]) {
    const reply = leadingTo("10.0.0.1", name);
    assertEquals(withheld(policy, reply, fallback, PUBLIC), undefined);
  }
  assert(
    withheld(
      policy,
      leadingTo("10.0.0.1", "evilcorp.example"),
      fallback,
      PUBLIC,
    ),
  );
});

Deno.test("who makes his name an alias of an exception gains nothing by it", () => {
  const policy: PrivateAnswers = {
    when: "refuse",
    exceptions: [parseName("corp.example")],
  };
  const reply = leadingTo("10.0.0.1");
  const [address] = reply.answers;
  const alias = {
    ...address,
    type: Type.CNAME,
    rdata: parseName("nas.corp.example"),
  };
  const answers = [alias, { ...address, name: parseName("nas.corp.example") }];
  assert(withheld(policy, { ...reply, answers }, fallback, PUBLIC));
});

Deno.test("addresses are found in AAAA records and in the hints of HTTPS and SVCB (RFC 9460 section 7.3)", () => {
  const ula = [0xfd, ...Array(14).fill(0), 1],
    global = [0x20, 1, ...ula.slice(2)];
  const svcb = (
    target: number[],
    ...params: number[]
  ) => [0, 1, ...target, ...params];
  const alpn = [0, 1, 0, 3, 2, 0x68, 0x32];
  for (const type of [Type.HTTPS, Type.SVCB]) {
    for (
      const [isHeld, rdata] of [
        [true, svcb([0], ...alpn, 0, 4, 0, 8, 9, 9, 9, 9, 10, 0, 0, 1)],
        [true, svcb([1, 0x61, 0], 0, 6, 0, 16, ...ula)],
        [false, svcb([0], ...alpn, 0, 4, 0, 4, 9, 9, 9, 9)],
        [false, svcb([0], 0, 6, 0, 16, ...global)],
        [false, svcb([0])],
        // A hint that is longer than the record is none.
        [false, svcb([0], 0, 4, 255, 255, 10)],
      ] as [boolean, number[]][]
    ) {
      const held = withheld(AUTO, replyWith(type, rdata), fallback, PUBLIC);
      assertEquals(held !== undefined, isHeld, `${type}: ${rdata}`);
    }
  }
  assert(withheld(AUTO, replyWith(Type.AAAA, ula), fallback, PUBLIC));
  assertEquals(
    withheld(AUTO, replyWith(Type.AAAA, global), fallback, PUBLIC),
    undefined,
  );
});
